-- What accounts call themselves, sealed for their row. A name in `display_name` lies open still, or was written by a process of the
-- release before: it is the later one, and is sealed at the next start.
ALTER TABLE users ADD COLUMN name_sealed TEXT;
