SELECT count(*) FROM (
    SELECT position FROM session_seats
    WHERE state IN ('PAID', 'ISSUED', 'COMPLETED', 'REFUNDING')
    GROUP BY position
    HAVING count(*) > 1
) AS seats
