-- The sweep reads what waits, the oldest first, whatever session it is of.
CREATE INDEX orders_overdue ON orders (expires_at, id) WHERE state IN ('LOCKED', 'PAYING');
CREATE INDEX payments_silent ON payments (updated_at, id) WHERE state = 'PENDING';
