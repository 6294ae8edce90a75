-- What people look for besides the title.
ALTER TABLE shows ADD COLUMN artist TEXT NOT NULL DEFAULT '';
ALTER TABLE shows ADD COLUMN artist_zh TEXT NOT NULL DEFAULT '';
ALTER TABLE shows ADD COLUMN genre TEXT NOT NULL DEFAULT 'other'
    CHECK (genre IN ('concert', 'theatre', 'opera', 'musical', 'dance', 'comedy', 'sport', 'exhibition', 'family', 'other'));
