INSERT INTO commissions (tenant_id, basis_points) VALUES ($1, $2)
ON CONFLICT (tenant_id) DO UPDATE SET basis_points = excluded.basis_points
