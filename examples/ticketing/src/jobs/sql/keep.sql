INSERT INTO jobs (name, known_since, began_at, ended_at, outcome, did, error, process, succeeded_at, runs, failures)
VALUES ($1, $2, $2, $3, $4, $5, $6, $7, $8, 1, $9)
ON CONFLICT (name) DO UPDATE SET
    began_at = excluded.began_at, ended_at = excluded.ended_at, outcome = excluded.outcome, did = excluded.did,
    error = excluded.error, process = excluded.process, succeeded_at = COALESCE(excluded.succeeded_at, jobs.succeeded_at),
    runs = jobs.runs + 1, failures = jobs.failures + excluded.failures
