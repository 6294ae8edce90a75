-- Begins a new generation of the session's ledger. Holds of older ones are void from here on.
UPDATE sessions
SET ledger_epoch = CASE WHEN ledger_epoch + 1 > $2 THEN ledger_epoch + 1 ELSE $2 END
WHERE id = $1
RETURNING ledger_epoch, seats_per_user,
          (SELECT count(*) FROM plan_seats WHERE plan_seats.plan_id = sessions.plan_id) AS seats
