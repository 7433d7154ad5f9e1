/** Who works at the demo bank. */

export type Person = { readonly email: string; readonly name: string; readonly groups: readonly string[]; readonly role: string };

/** The people one can sign in as. Owen is a database administrator too, to show that this does not let him approve his own agent. */
export const PEOPLE: readonly Person[] = [
  { email: 'dana@bank.example', name: 'Dana', groups: ['dba'], role: 'database administrator' },
  { email: 'erin@bank.example', name: 'Erin', groups: ['dba'], role: 'database administrator' },
  { email: 'owen@bank.example', name: 'Owen', groups: ['dba'], role: 'owner of agent-7, and a database administrator' },
  { email: 'alice@bank.example', name: 'Alice', groups: ['analysts'], role: 'analyst' },
];

/** The person with this address, or undefined. */
export function findPerson(email: string): Person | undefined {
  return PEOPLE.find((person) => person.email === email);
}
