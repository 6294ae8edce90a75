INSERT INTO admission_policies (session_id, policy, updated_by, updated_at)
VALUES ($1, $2, $3, $4)
ON CONFLICT (session_id) DO UPDATE SET
    policy = excluded.policy, updated_by = excluded.updated_by, updated_at = excluded.updated_at
