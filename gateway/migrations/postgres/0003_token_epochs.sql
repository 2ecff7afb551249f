-- File tokens are revoked by counting: each revocation takes the next number of its organization's clock and
-- leaves it with the subject or the file. A token says what the clock showed when it was minted; it is good while
-- no later number lies with its subject or its file.
CREATE TABLE token_clock (
    organization TEXT   NOT NULL PRIMARY KEY,
    epoch        BIGINT NOT NULL
);

CREATE TABLE token_epochs (
    organization TEXT   NOT NULL,
    subject      TEXT   NOT NULL,
    epoch        BIGINT NOT NULL,
    PRIMARY KEY (organization, subject)
);

ALTER TABLE files ADD COLUMN token_epoch BIGINT NOT NULL DEFAULT 0;
