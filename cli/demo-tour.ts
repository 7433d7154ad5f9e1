// What the demo prints when it is ready: one command per control, to paste into another terminal.
import { knownHostsLine } from '../proxy-task/ssh/host-key.ts';
import { HOST_REPOSITORY, HOST_ROOT } from '../standalone/demo/host-files.ts';

export type TourFacts = {
  readonly postgres: { readonly host: string; readonly port: number };
  /** The gateway for SSH, and the line that pins it; absent where the configuration has none. */
  readonly ssh: { readonly host: string; readonly port: number; readonly hostKey: string } | undefined;
  /** What answers as web1; absent where nothing does. */
  readonly host: 'openssh' | 'embedded' | undefined;
  readonly api: string;
  /** Named in the commands when it is not the default. */
  readonly dataDir: string | undefined;
  readonly seconds: number;
};

/** The tour, ending with a newline. Every line that begins with two spaces is a command for a shell. */
export function tour({ postgres, ssh, host, api, dataDir, seconds }: TourFacts): string {
  const first = dataDir === undefined ? [] : [`  export SALLYPORT_DATA='${dataDir}'`];
  const isShown = ssh !== undefined && host !== undefined;
  return `
Sallyport is ready after ${seconds.toFixed(1)} s: gateway ${postgres.host}:${postgres.port}${ssh === undefined ? '' : `, SSH ${ssh.host}:${ssh.port}`}, console ${api}.
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

${isShown ? hostTour(ssh, host) : ''}# ${isShown ? 9 : 6}. Everything is on record, signed, and can be checked without trusting us.
  npx sallyport sessions
  npx sallyport replay latest
  npx sallyport verify

# ${isShown ? 10 : 7}. Change one byte in a copy, or delete a session from it: verify names the place.
  rm -rf evidence-copy; cp -r ${dataDir ?? '.sallyport'}/evidence evidence-copy; SEGMENT=$(ls evidence-copy/sessions/*/*/*.seg | head -1)
  printf '#' | dd of=$SEGMENT bs=1 seek=300 conv=notrunc status=none; npx sallyport verify evidence-copy
  rm $SEGMENT; npx sallyport verify evidence-copy
`;
}

/** Parts 6 to 8: the host, by OpenSSH's own clients and git. */
function hostTour(ssh: { readonly host: string; readonly port: number; readonly hostKey: string }, host: 'openssh' | 'embedded'): string {
  const what =
    host === 'openssh'
      ? "web1 is this machine's own sshd, with a stand-in for systemctl"
      : 'web1 is a small host inside this process, since no sshd was found: a few programs, and files to read';
  const settings = `Host web1\\n  HostName ${ssh.host}\\n  Port ${ssh.port}\\n  User web1\\n  IdentityFile %s/key\\n  IdentitiesOnly yes\\n  UserKnownHostsFile %s/known_hosts\\n`;
  return `# 6. A host, by ssh as it is (${what}).
#    The agent registers a key of its own for minutes; the gateway alone holds the one that the host knows.
  export AGENT=$(mktemp -d); ssh-keygen -q -t ed25519 -N '' -f $AGENT/key
  npx sallyport ssh-key $AGENT/key --target web1
  echo '${knownHostsLine(ssh.host, ssh.port, ssh.hostKey)}' >$AGENT/known_hosts
  printf '${settings}' $AGENT $AGENT >$AGENT/config
  ssh -F $AGENT/config web1 "head -n 4 ${HOST_ROOT}/app/app.log"
  ssh -F $AGENT/config web1 "rm -rf ${HOST_ROOT}/app"; echo "exit status $?"
  ssh -F $AGENT/config web1 "cat ${HOST_ROOT}/app/../../../../etc/passwd"
  ssh -F $AGENT/config -o SetEnv=SALLYPORT_REASON='"workers hang"' web1 "systemctl restart bank-web" &
  sleep 4; npx sallyport approvals approve latest --as dana@bank.example; wait
  npx sallyport replay latest

# 7. Files: what may be read may be fetched; what is blocked by ssh is blocked by sftp; a file that holds personal data ends.
  sftp -q -F $AGENT/config web1:${HOST_ROOT}/app/config.yaml $AGENT/
  echo "rm ${HOST_ROOT}/app/config.yaml" | sftp -q -F $AGENT/config -b - web1
  sftp -q -F $AGENT/config web1:${HOST_ROOT}/app/app.log $AGENT/

# 8. Git: what goes to main waits for a person, a branch is pushed at once, and a rewritten history is blocked.
  export GIT_SSH_COMMAND="ssh -F $AGENT/config"; git clone -q web1:${HOST_REPOSITORY} $AGENT/app
  git -C $AGENT/app config user.name Agent; git -C $AGENT/app config user.email agent@bank.example
  git -C $AGENT/app commit -q --allow-empty -m "A change"
  git -C $AGENT/app push origin main &
  sleep 4; npx sallyport approvals approve latest --as dana@bank.example; wait
  git -C $AGENT/app push origin HEAD:refs/heads/topic-$$
  git -C $AGENT/app commit -q --amend --allow-empty -m "Another"; git -C $AGENT/app push --force origin main

`;
}
