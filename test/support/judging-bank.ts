// A database full of code that runs without being named: every way to it must be judged as what it does.
import { startGateway, type TestGateway } from './gateway.ts';
import { startPostgres, type TestPostgres } from './postgres.ts';

/** `purge` and its kin empty `victims`, or leave a line in `traces`. */
export const JUDGING_BANK = `
CREATE TABLE victims (id int PRIMARY KEY, v text);
INSERT INTO victims SELECT g, 'v' || g FROM generate_series(1, 10) g;
CREATE TABLE traces (what text);
CREATE TABLE readable (id int PRIMARY KEY, v varchar, n int, j jsonb DEFAULT '{}');
INSERT INTO readable SELECT g, 'r' || g, g FROM generate_series(1, 10) g;
CREATE SEQUENCE counter;

CREATE FUNCTION purge() RETURNS int LANGUAGE plpgsql AS 'BEGIN DELETE FROM public.victims; INSERT INTO public.traces VALUES (''purge''); RETURN 1; END';
CREATE FUNCTION purge_fast() RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM public.purge(); RETURN 1; END';
CREATE FUNCTION purge_sql() RETURNS void LANGUAGE sql AS 'DELETE FROM public.victims';
CREATE FUNCTION purge_atomic() RETURNS void LANGUAGE sql BEGIN ATOMIC DELETE FROM public.victims; END;
CREATE FUNCTION purge_deep() RETURNS void LANGUAGE sql AS 'SELECT public.purge_sql()';
CREATE FUNCTION purge_as_owner() RETURNS int LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN DELETE FROM public.victims; RETURN 1; END';
CREATE FUNCTION purge_default(x int DEFAULT purge()) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION purge_many(VARIADIC x int[]) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN public.purge(); END';
CREATE FUNCTION purge_rows() RETURNS TABLE (a int, b int) LANGUAGE plpgsql AS 'BEGIN PERFORM public.purge(); RETURN; END';
CREATE FUNCTION erased(readable) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN public.purge(); END';
CREATE FUNCTION erased_text(text) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN PERFORM public.purge(); RETURN true; END';
CREATE FUNCTION run(text) RETURNS void LANGUAGE plpgsql AS 'BEGIN EXECUTE $1; END';
CREATE FUNCTION public.lower(varchar) RETURNS text LANGUAGE plpgsql AS 'BEGIN PERFORM public.purge(); RETURN $1; END';
CREATE FUNCTION public.upper(text) RETURNS text LANGUAGE plpgsql AS 'BEGIN PERFORM public.purge(); RETURN $1; END';
CREATE PROCEDURE purge_called() LANGUAGE plpgsql AS 'BEGIN DELETE FROM public.victims; END';
CREATE FUNCTION purge_state(int, int) RETURNS int LANGUAGE plpgsql AS 'BEGIN PERFORM public.purge(); RETURN 1; END';
CREATE AGGREGATE purge_all (int) (SFUNC = purge_state, STYPE = int, INITCOND = '0');

CREATE FUNCTION same_by_code(int, int) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN PERFORM public.purge(); RETURN true; END';
CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = same_by_code);
CREATE OPERATOR !!! (RIGHTARG = text, FUNCTION = erased_text);
CREATE SCHEMA quiet;
CREATE OPERATOR quiet.+ (LEFTARG = int, RIGHTARG = int, FUNCTION = same_by_code);

CREATE TYPE pair AS (a int, b int);
CREATE FUNCTION pair_from(int) RETURNS pair LANGUAGE plpgsql AS 'BEGIN PERFORM public.purge(); RETURN ROW(1, 1)::public.pair; END';
CREATE CAST (int AS pair) WITH FUNCTION pair_from(int);
CREATE FUNCTION less_by_code(pair, pair) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM public.purge(); RETURN true; END';
CREATE OPERATOR < (LEFTARG = pair, RIGHTARG = pair, FUNCTION = less_by_code);
CREATE DOMAIN watched AS int CHECK (purge() = 1);
CREATE DOMAIN watched_deep AS watched;
CREATE TYPE holds_watched AS (w watched);
CREATE TABLE typed (id int, p pair);
INSERT INTO typed VALUES (1, NULL);

CREATE VIEW purging AS SELECT purge() AS p;
CREATE VIEW purging_deep AS SELECT * FROM purging;
CREATE VIEW writable AS SELECT id, v FROM victims;
CREATE VIEW ruled AS SELECT 1 AS x;
CREATE RULE ruled_insert AS ON INSERT TO ruled DO INSTEAD DELETE FROM victims;
CREATE MATERIALIZED VIEW stored AS SELECT purge_fast() AS p WITH NO DATA;
CREATE TABLE secured (id int);
INSERT INTO secured VALUES (1);
ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
ALTER TABLE secured FORCE ROW LEVEL SECURITY;
CREATE POLICY secured_by_code ON secured USING (purge() = 1);
CREATE TABLE defaulted (id int DEFAULT purge(), v text);
CREATE TABLE indexed (id int);
CREATE FUNCTION purge_index(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM public.purge(); RETURN $1; END';
CREATE INDEX ON indexed (purge_index(id));
CREATE FUNCTION trace() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.traces VALUES (TG_NAME); RETURN NEW; END';
CREATE TABLE triggered (id int);
CREATE TRIGGER traced BEFORE INSERT OR UPDATE OR DELETE ON triggered FOR EACH ROW EXECUTE FUNCTION trace();
CREATE TABLE parents (id int PRIMARY KEY);
CREATE TABLE children (id int REFERENCES parents ON DELETE CASCADE);
INSERT INTO parents VALUES (1);
INSERT INTO children VALUES (1);
CREATE EXTENSION dblink;
CREATE EXTENSION lo;
SELECT lo_create(4242);
DELETE FROM traces;
DELETE FROM victims;
INSERT INTO victims SELECT g, 'v' || g FROM generate_series(1, 10) g;
ANALYZE;
`;

/** `readers` may read; `everything` is what a broad rule permits. */
export const JUDGING_POLICIES = `
@id("connect") permit (principal, action == Action::"connect", resource);
@id("read") permit (principal in Group::"demo/readers", action in Action::"read", resource);
@id("all") permit (principal in Group::"demo/everything", action in Action::"all", resource);
`;

export type JudgingBank = { readonly postgres: TestPostgres; readonly gateway: TestGateway; stop(): Promise<void> };

export async function startJudgingBank(): Promise<JudgingBank> {
  const postgres = await startPostgres();
  await postgres.script(JUDGING_BANK);
  const gateway = await startGateway(postgres, {
    policies: JUDGING_POLICIES,
    target: '    limits: { maxRows: 1000 }',
  });
  return {
    postgres,
    gateway,
    stop: async () => {
      await gateway.stop();
      await postgres.stop();
    },
  };
}
