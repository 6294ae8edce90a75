-- Pictures whose files are in the store of files, or are about to be. A name tells the digest and the sizes of all files.
CREATE TABLE pictures (
    name       TEXT PRIMARY KEY,
    bytes      BIGINT NOT NULL,        -- of all files
    touched_at BIGINT NOT NULL,        -- when somebody sent it, or a show took it or let it go
    removing   BIGINT NOT NULL         -- its files are being removed: no show may take it
);
CREATE INDEX pictures_by_age ON pictures (touched_at);

-- The show's picture, and what it shows in words; without words it is called by the show's title.
ALTER TABLE shows ADD COLUMN poster TEXT REFERENCES pictures (name);
ALTER TABLE shows ADD COLUMN poster_alt TEXT NOT NULL DEFAULT '';
ALTER TABLE shows ADD COLUMN poster_alt_zh TEXT NOT NULL DEFAULT '';
CREATE INDEX shows_by_poster ON shows (poster) WHERE poster IS NOT NULL;
