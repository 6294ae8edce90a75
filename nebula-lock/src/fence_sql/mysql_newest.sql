-- The newest token of a resource: the committed one, whatever the transaction has seen before. Parameter: resource.
SELECT token FROM nebula_lock_fence WHERE resource = ? FOR UPDATE
