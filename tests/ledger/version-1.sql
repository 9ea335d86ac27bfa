-- A ledger as the first release made it, with something of everything in it.
-- It is never changed: what a later release must still be able to read.
PRAGMA application_id = 0x636d7472;
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE series (
        id INTEGER PRIMARY KEY,
        family TEXT NOT NULL,
        labels TEXT NOT NULL,
        shown INTEGER NOT NULL DEFAULT 0
    ) STRICT;
CREATE TABLE total (series INTEGER PRIMARY KEY, amount INTEGER NOT NULL) STRICT;
CREATE TABLE account (id INTEGER PRIMARY KEY, labels TEXT NOT NULL) STRICT;
CREATE TABLE quarter_sum (
        quarter INTEGER NOT NULL,
        account INTEGER NOT NULL,
        spend INTEGER NOT NULL AS (cost_input + cost_cache_read + cost_cache_write + cost_output
            + cost_reasoning + cost_audio + cost_image + cost_tool + cost_request + cost_compute
            + cost_storage + cost_network) STORED,
        credit INTEGER NOT NULL,
        tokens INTEGER NOT NULL AS (tokens_input + tokens_cache_read + tokens_cache_write
            + tokens_input_audio + tokens_input_image + tokens_output + tokens_reasoning
            + tokens_output_audio + tokens_output_image) STORED,
        calls_ok INTEGER NOT NULL,
        calls_failed INTEGER NOT NULL,
        unpriced INTEGER NOT NULL,
        cost_input INTEGER NOT NULL,
        cost_cache_read INTEGER NOT NULL,
        cost_cache_write INTEGER NOT NULL,
        cost_output INTEGER NOT NULL,
        cost_reasoning INTEGER NOT NULL,
        cost_audio INTEGER NOT NULL,
        cost_image INTEGER NOT NULL,
        cost_tool INTEGER NOT NULL,
        cost_request INTEGER NOT NULL,
        cost_compute INTEGER NOT NULL,
        cost_storage INTEGER NOT NULL,
        cost_network INTEGER NOT NULL,
        tokens_input INTEGER NOT NULL,
        tokens_cache_read INTEGER NOT NULL,
        tokens_cache_write INTEGER NOT NULL,
        tokens_input_audio INTEGER NOT NULL,
        tokens_input_image INTEGER NOT NULL,
        tokens_output INTEGER NOT NULL,
        tokens_reasoning INTEGER NOT NULL,
        tokens_output_audio INTEGER NOT NULL,
        tokens_output_image INTEGER NOT NULL,
        PRIMARY KEY (quarter, account)
    ) STRICT, WITHOUT ROWID;
CREATE TABLE position (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE event_block (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        first_ns INTEGER NOT NULL,
        last_ns INTEGER NOT NULL,
        events INTEGER NOT NULL,
        max_cost INTEGER NOT NULL,
        entries TEXT NOT NULL,
        payloads BLOB NOT NULL
    ) STRICT;
CREATE INDEX event_block_last_ns ON event_block (last_ns);
CREATE TABLE price (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE unpriced (
        event INTEGER PRIMARY KEY,
        provider TEXT NOT NULL,
        model TEXT NOT NULL
    ) STRICT;
CREATE TABLE correction (
        event INTEGER PRIMARY KEY,
        time_ns INTEGER NOT NULL,
        cost INTEGER NOT NULL,
        price INTEGER NOT NULL REFERENCES price (id),
        reason TEXT NOT NULL
    ) STRICT;
PRAGMA user_version = 1;

INSERT INTO meta VALUES ('ledger', '0b0a5f6e-6a3c-4c57-9f0e-6f1d3b0b7c11'), ('created_ns', '1795302000000000000');
INSERT INTO series VALUES
    (11, 'cost_spend_usd_total', '{"component":"input","model":"gpt-4o","provider":"openai"}', 1),
    (12, 'cost_provider_api_calls_total', '{"model":"gpt-4o","provider":"openai","status":"ok"}', 0);
INSERT INTO total VALUES (11, 3000), (12, 2);
INSERT INTO account VALUES (21, '{"model":"gpt-4o","provider":"openai"}');
INSERT INTO quarter_sum VALUES
    (1994780, 21, 50, 2, 0, 0, 1000, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 400, 0, 0, 0, 0, 0, 0, 0, 0),
    (1994876, 21, 0, 0, 0, 0, 2000, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
INSERT INTO position VALUES ('0001.journal', 4096);
INSERT INTO price VALUES (1, 'book:openai/gpt-4o'), (2, '');
INSERT INTO event_block VALUES (1, 1795302000000000000, 1795302000000000001, 3, 3000,
    '[[1795302000000000000,3000,1],[1795302000000000001,null,2],[1795302000000000001,null,2]]',
    CAST('[[1,"chat","openai","gpt-4o"],[2,"chat","openai","new"],[3,"chat","openai","newer"]]' AS BLOB));
INSERT INTO unpriced VALUES (257, 'openai', 'new');
INSERT INTO correction VALUES (258, 1795302000000000009, 700, 1, 'reprice');
