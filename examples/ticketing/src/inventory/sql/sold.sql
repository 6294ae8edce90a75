SELECT EXISTS (SELECT 1 FROM sold_seats WHERE order_id = $1)
