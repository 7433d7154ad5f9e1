// Reads and writes by several clients, in every protocol. Each statement carries a mark of its own: `/* mark 17 */` in its
// text, or `mark 17` in a parameter of a named statement.
import pg from 'pg';

/** The application name of every client of the load. */
export const LOAD = 'drill-load';

export const LOAD_TABLE = 'CREATE TABLE written (mark int PRIMARY KEY, by text NOT NULL); CREATE TABLE slow (id int);';

export type Load = {
  /** Marks of inserts whose answer came back. */
  readonly acknowledged: ReadonlySet<number>;
  /** Statements that were sent, and answers that came back: the drill counts in these. */
  readonly steps: number;
  /** Runs until the gateway behind `port` is gone; how many sessions were open then. `onStep` is told of each step. */
  until(port: number, password: string, onStep: () => void): Promise<number>;
};

/** `ca`: speaks TLS, and believes this authority alone. */
export function startLoad(clients: number, random: () => number, ca?: string): Load {
  const acknowledged = new Set<number>();
  let lastMark = 0;
  let steps = 0;
  const next = (): number => (lastMark += 1);

  const runOne = async (client: pg.Client, step: <T>(run: Promise<T>) => Promise<T>): Promise<void> => {
    const mark = next();
    const insert = `INSERT INTO written VALUES (${mark}, 'load') /* mark ${mark} */`;
    switch (Math.floor(random() * 7)) {
      case 0:
        await step(client.query(insert));
        acknowledged.add(mark);
        return;
      case 1:
        await step(client.query({ text: `INSERT INTO written VALUES ($1, $2) /* mark ${mark} */`, values: [mark, 'load'] }));
        acknowledged.add(mark);
        return;
      case 2:
        await step(
          client.query({
            name: 'insert',
            text: 'INSERT INTO written VALUES (split_part($1, $2, 2)::int, $1)',
            values: [`mark ${mark}`, ' '],
          }),
        );
        acknowledged.add(mark);
        return;
      case 3:
        await step(client.query(`SELECT count(*), max(mark) FROM written /* mark ${mark} */`));
        return;
      case 4:
        await step(client.query({ text: `SELECT by FROM written WHERE mark = $1 /* mark ${mark} */`, values: [mark - 1] }));
        return;
      case 5:
        // Takes its time, so that a kill meets statements that run.
        await step(client.query(`SELECT pg_sleep(0.02) /* mark ${mark} */`));
        return;
      default:
        await step(client.query(`BEGIN /* mark ${next()} */`));
        await step(client.query(insert));
        await step(client.query(`COMMIT /* mark ${next()} */`));
        acknowledged.add(mark);
    }
  };

  return {
    acknowledged,
    get steps() {
      return steps;
    },
    until: async (port, password, onStep) => {
      let open = 0;
      const step = async <T>(run: Promise<T>): Promise<T> => {
        steps += 1;
        onStep();
        const answer = await run;
        steps += 1;
        onStep();
        return answer;
      };
      const runClient = async (): Promise<void> => {
        const client = new pg.Client({
          host: '127.0.0.1',
          port,
          database: 'db',
          user: 'load',
          password,
          application_name: LOAD,
          ...(ca === undefined ? {} : { ssl: { ca } }),
        });
        client.on('error', () => undefined);
        try {
          await client.connect();
        } catch (error) {
          // Another client's step may have been the last one while this one still logged in.
          if (error instanceof pg.DatabaseError) throw error;
          return;
        }
        open += 1;
        let lost = false;
        client.once('end', () => (lost = true));
        for (;;) {
          try {
            await runOne(client, step);
          } catch (error) {
            // An error of the target or the gateway is a bug of the load or of what it drills; a lost connection ends it.
            if (error instanceof pg.DatabaseError) throw error;
            lost = true;
          }
          if (lost) return;
        }
      };
      await Promise.all(Array.from({ length: clients }, runClient));
      return open;
    },
  };
}
