-- What is being returned already waits for what comes of that.
SELECT refused_names.order_id AS id, refused_names.at AS since
FROM refused_names
JOIN orders ON orders.id = refused_names.order_id
WHERE refused_names.consequence IS NULL AND orders.state <> 'REFUNDING'
  AND refused_names.at <= $1 AND (refused_names.at, refused_names.order_id) > ($2, $3)
ORDER BY refused_names.at, refused_names.order_id
LIMIT $4
