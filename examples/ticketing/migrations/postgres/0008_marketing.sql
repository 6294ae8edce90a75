-- What merchants take off for those who have a code. Who has one is kept by nebula-rule-engine. What a coupon is worth never
-- changes, so that a price can be explained later.
CREATE TABLE coupons (
    id         TEXT PRIMARY KEY,
    tenant_id  TEXT NOT NULL,
    code       TEXT NOT NULL,
    title      TEXT NOT NULL,
    title_zh   TEXT NOT NULL,
    percent    BIGINT, -- or
    minor      BIGINT,
    currency   TEXT NOT NULL,
    minimum    BIGINT NOT NULL, -- minor units that a purchase costs without it
    starts_at  BIGINT NOT NULL,
    ends_at    BIGINT NOT NULL,
    total      BIGINT NOT NULL,
    per_buyer  BIGINT NOT NULL,
    listed     BIGINT NOT NULL, -- whether buyers are offered it
    returns    BIGINT NOT NULL, -- whether a refund gives it back
    stopped    BIGINT NOT NULL DEFAULT 0,
    version    BIGINT NOT NULL DEFAULT 1,
    created_at BIGINT NOT NULL,
    UNIQUE (tenant_id, code),
    CHECK ((percent IS NULL) <> (minor IS NULL))
);

-- How the price of an order came about; orders at list price have none.
CREATE TABLE order_prices (
    order_id  TEXT PRIMARY KEY REFERENCES orders (id),
    tenant_id TEXT NOT NULL,
    revision  BIGINT NOT NULL, -- of the merchant's rules; 0 without any
    subtotal  BIGINT NOT NULL,
    steps     TEXT NOT NULL, -- what the buyer was told, as JSON
    proof     TEXT NOT NULL, -- a price proof of nebula-rule-engine
    coupon_id TEXT REFERENCES coupons (id),
    coupon    TEXT UNIQUE -- the buyer's coupon, while this order has it
);
