SELECT currency, CAST(sum(taken) AS BIGINT) AS minor, CAST(sum(tickets) AS BIGINT) AS tickets,
    CAST(sum(refunds) AS BIGINT) AS refunds, CAST(sum(fees) AS BIGINT) AS fees
FROM session_books
GROUP BY currency
ORDER BY currency
