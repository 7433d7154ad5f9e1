// What the demo prints when it is ready: one command per control, to paste into another terminal.

export type TourFacts = {
  readonly postgres: { readonly host: string; readonly port: number };
  readonly api: string;
  /** Named in the commands when it is not the default. */
  readonly dataDir: string | undefined;
  readonly seconds: number;
};

/** The tour, ending with a newline. Every line that begins with two spaces is a command for a shell. */
export function tour({ postgres, api, dataDir, seconds }: TourFacts): string {
  const first = dataDir === undefined ? [] : [`  export SALLYPORT_DATA='${dataDir}'`];
  return `
Sallyport is ready after ${seconds.toFixed(1)} s: gateway ${postgres.host}:${postgres.port}, console ${api}.
Paste these into another terminal, in this directory. Stop with Ctrl-C.

# An agent that acts for Alice gets its own short-lived token. It never sees a database password.
${[...first, '  export SALLYPORT_TOKEN=$(npx sallyport token --principal agent-7 --group analysts --on-behalf-of alice@bank.example)'].join('\n')}

# 1. Rows come back masked: social security number, card and e-mail by their column, notes by what they look like.
  npx sallyport sql "select id, full_name, ssn, card_number, email from customers order by id limit 3"
  npx sallyport sql "select note from transactions where note like '%SSN%' limit 2"

# 2. What could reveal a masked value is refused, and so is what policy forbids.
  npx sallyport sql "select id from customers where ssn like '123%'"
  npx sallyport sql "drop table customers"

# 3. Any PostgreSQL client works as it is: the token is the password, the target is the database.
  PGPASSWORD=$SALLYPORT_TOKEN psql -h ${postgres.host} -p ${postgres.port} -U agent bank -c "select count(*) from customers"

# 4. A write waits on the wire until a person approves it, then runs once. In the browser: open the link and sign in as
#    Dana. Or from the command line:
  npx sallyport sql --reason "goodwill for case 17" "update accounts set balance = balance + 10 where id = 1" &
  sleep 3; npx sallyport approvals
  npx sallyport approvals approve latest --as dana@bank.example; wait

# 5. The same statement again needs an approval of its own. Fail-fast refuses at once (ZG001); the retry runs after approval.
  npx sallyport sql --approval failfast "update accounts set balance = balance + 10 where id = 1"
  npx sallyport approvals approve latest --as dana@bank.example
  npx sallyport sql --approval failfast "update accounts set balance = balance + 10 where id = 1"

# 6. Everything is on record, signed, and can be checked without trusting us.
  npx sallyport sessions
  npx sallyport replay latest
  npx sallyport verify

# 7. Change one byte in a copy, or delete a session from it: verify names the place.
  rm -rf evidence-copy; cp -r ${dataDir ?? '.sallyport'}/evidence evidence-copy; SEGMENT=$(ls evidence-copy/sessions/*/*/*.seg | head -1)
  printf '#' | dd of=$SEGMENT bs=1 seek=300 conv=notrunc status=none; npx sallyport verify evidence-copy
  rm $SEGMENT; npx sallyport verify evidence-copy
`;
}
