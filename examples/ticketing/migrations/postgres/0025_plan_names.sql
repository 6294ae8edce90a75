-- What parts of a house and price categories are called in Chinese, by their names: a JSON object.
ALTER TABLE plans ADD COLUMN names_zh TEXT NOT NULL DEFAULT '{}';
