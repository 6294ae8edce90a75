SELECT position, true AS sold FROM session_sold
UNION ALL
SELECT position, false AS sold FROM session_seats WHERE state IN ('LOCKED', 'PAYING')
