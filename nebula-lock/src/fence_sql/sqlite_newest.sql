-- The newest token of a resource. Parameter: resource.
SELECT token FROM nebula_lock_fence WHERE resource = ?
