SELECT (SELECT COUNT(*) || ',' || COALESCE(SUM(version), 0) || ',' || COALESCE(MAX(id), '') FROM shows WHERE hidden = 0)
    || ';' || (SELECT COUNT(*) || ',' || COALESCE(SUM(version), 0) || ',' || COALESCE(MAX(id), '') FROM sessions)
    || ';' || (SELECT COUNT(*) || ',' || COALESCE(SUM(version), 0) || ',' || COALESCE(MAX(id), '') FROM venues)
