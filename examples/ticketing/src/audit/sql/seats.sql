SELECT count(*) FROM plan_seats JOIN sessions ON sessions.plan_id = plan_seats.plan_id WHERE sessions.id = $1
