// The demo bank's people, accounts and payments: invented, the same on every machine, and shaped like the real thing. Addresses use the
// reserved example domains, telephone numbers the fictional 555-01xx block, cards the issuers' test prefixes.

export type Customer = {
  readonly id: number;
  readonly full_name: string;
  readonly ssn: string;
  readonly card_number: string;
  readonly email: string;
  readonly phone: string;
  readonly city: string;
  readonly created_at: string;
};

export type Account = {
  readonly id: number;
  readonly customer_id: number;
  readonly kind: 'checking' | 'savings' | 'credit';
  readonly balance: string;
  readonly opened_at: string;
};

export type Transaction = {
  readonly id: number;
  readonly account_id: number;
  readonly amount: string;
  readonly merchant: string;
  readonly note: string | null;
  readonly booked_at: string;
};

export type BankData = {
  readonly customers: readonly Customer[];
  readonly accounts: readonly Account[];
  readonly transactions: readonly Transaction[];
};

export const BANK_SIZE = { customers: 800, accounts: 1_200, transactions: 6_000 } as const;

const FIRST =
  words(`Maria James Aisha Robert Linh Patricia Diego Jennifer Omar Linda Chen Elizabeth Mateo Barbara Priya Susan Kofi Jessica Yuki
  Sarah Andrei Karen Fatima Lisa Tomas Nancy Ingrid Betty Samuel Margaret Leila Sandra Hiro Ashley Nadia Kimberly Paulo Emily Grace Donna
  Victor Michelle Amara Carol Dmitri Amanda Rosa Dorothy Ahmed Melissa Keiko Deborah Luis Stephanie Zoe Rebecca Ivan Sharon Noor Laura`);
const LAST =
  words(`Alvarez Smith Okafor Johnson Nguyen Williams Garcia Brown Haddad Jones Wang Miller Rossi Davis Patel Wilson Mensah Anderson
  Tanaka Taylor Popescu Thomas Rahman Jackson Novak White Larsen Harris Cohen Martin Hosseini Thompson Sato Robinson Petrova Clark Silva
  Lewis Murphy Lee Castillo Walker Eze Hall Volkov Allen Herrera Young Khan King Suzuki Wright Ortiz Scott Meyer Torres Ivanova Hill
  Aziz Flores Fischer Green Moreau Adams Kowalski Nelson Bianchi Baker Dubois Rivera Lindqvist Campbell Reyes Mitchell`);
const CITIES = list('Boston|Chicago|Austin|Denver|Seattle|Portland|Atlanta|Phoenix|Columbus|Nashville|San Diego|Pittsburgh|Madison|Tampa');
const AREA_CODES = words('617 312 512 303 206 503 404 602 614 615 619 412 608 813');
const DOMAINS = words('example.com example.org example.net');
const CARD_PREFIXES = words('424242 400005 555555 520082 378282 371449 601111');
const MERCHANTS =
  list(`Harbor Coffee|Blue Line Transit|Northside Grocery|Pine Street Pharmacy|City Power and Light|Oak Hill Dental|Riverside Books
  |Summit Outfitters|Lakeview Cinema|Main Street Hardware|Evergreen Insurance|Corner Bakery|Metro Parking|Sunrise Yoga|Union Telecom|Payroll
  |Westgate Motors|Garden Supply Co|Bright Smile Clinic|Old Town Bistro|Airline Tickets|Cedar Hotel|Music Hall|Cash Machine|Rent`);
const NOTES = list(
  'monthly|card present|online order|refund pending|standing order|split with roommate|disputed, see case file|contactless',
);
const DAY_MS = 86_400_000;
const OPENING_DAY_MS = Date.UTC(2019, 0, 2);
const LAST_DAY_MS = Date.UTC(2026, 9, 31);

/** All rows of the demo bank. Calls agree with each other to the last byte. */
export function bankData(): BankData {
  const random = sequence(20_261_031);
  const below = (limit: number): number => Math.floor(random() * limit);
  const pick = <T>(from: readonly [T, ...T[]]): T => from[below(from.length)] ?? from[0];
  const digits = (count: number): string => Array.from({ length: count }, () => below(10)).join('');
  const between = (startMs: number, endMs: number): number => startMs + below(endMs - startMs);

  const ssns = new Set<string>();
  const newSsn = (): string => {
    for (;;) {
      const area = 1 + below(899);
      const ssn = `${pad(area, 3)}-${pad(1 + below(99), 2)}-${pad(1 + below(9_999), 4)}`;
      if (area !== 666 && !ssns.has(ssn)) {
        ssns.add(ssn);
        return ssn;
      }
    }
  };
  const newCard = (): string => {
    const prefix = pick(CARD_PREFIXES);
    return withLuhn(prefix + digits((prefix.startsWith('3') ? 15 : 16) - prefix.length - 1));
  };

  const customers = Array.from({ length: BANK_SIZE.customers }, (_, index): Customer => {
    const first = pick(FIRST);
    const last = pick(LAST);
    const home = below(CITIES.length);
    return {
      id: index + 1,
      full_name: `${first} ${last}`,
      ssn: newSsn(),
      card_number: newCard(),
      // The number keeps addresses apart where names meet.
      email: `${first}.${last}${index + 1}@${pick(DOMAINS)}`.toLowerCase(),
      phone: `(${AREA_CODES[home] ?? AREA_CODES[0]}) 555-01${digits(2)}`,
      city: CITIES[home] ?? CITIES[0],
      created_at: new Date(between(OPENING_DAY_MS, LAST_DAY_MS - 400 * DAY_MS)).toISOString(),
    };
  });

  const accounts = Array.from({ length: BANK_SIZE.accounts }, (_, index): Account => {
    const first = index < customers.length;
    const owner = customers[first ? index : (index * 7) % customers.length];
    const kind = first ? 'checking' : below(2) === 0 ? 'savings' : 'credit';
    const amount = kind === 'credit' ? -below(450_000) : kind === 'savings' ? below(9_000_000) : below(1_200_000);
    return {
      id: index + 1,
      customer_id: owner?.id ?? 1,
      kind,
      balance: money(amount),
      opened_at: new Date(between(Date.parse(owner?.created_at ?? ''), LAST_DAY_MS - 366 * DAY_MS)).toISOString().slice(0, 10),
    };
  });

  const bookings = Array.from({ length: BANK_SIZE.transactions }, () => between(LAST_DAY_MS - 365 * DAY_MS, LAST_DAY_MS)).toSorted(
    (a, b) => a - b,
  );
  const transactions = bookings.map((bookedMs, index): Transaction => {
    const merchant = pick(MERCHANTS);
    const account = accounts[below(accounts.length)];
    const about = customers[(account?.customer_id ?? 1) - 1] ?? customers[0];
    return {
      id: index + 1,
      account_id: account?.id ?? 1,
      amount: money(merchant === 'Payroll' ? 180_000 + below(420_000) : -(1 + below(merchant === 'Rent' ? 240_000 : 18_000))),
      merchant,
      note: index % 60 === 17 && about !== undefined ? careless(index, about) : below(3) === 0 ? pick(NOTES) : null,
      booked_at: new Date(bookedMs).toISOString(),
    };
  });
  return { customers, accounts, transactions };
}

// What people type into a free-text field: the reason why masking by column alone is not enough.
function careless(index: number, about: Customer): string {
  const first = about.full_name.split(' ')[0] ?? '';
  switch (Math.floor(index / 60) % 5) {
    case 0:
      return `caller verified by SSN ${about.ssn}`;
    case 1:
      return `send receipt to ${about.email}`;
    case 2:
      return `${first} says card ${about.card_number.replace(/(\d{4})(?=\d)/gu, '$1 ')} was declined`;
    case 3:
      return `call back at ${about.phone}, ask for ${first}`;
    default:
      return `dispute: ssn ${about.ssn}, mail ${about.email}`;
  }
}

/** Appends the check digit of ISO/IEC 7812-1 (Luhn). */
function withLuhn(number: string): string {
  const sum = Array.from(number)
    .toReversed()
    .reduce((total, digit, index) => {
      const value = Number(digit) * (index % 2 === 0 ? 2 : 1);
      return total + (value > 9 ? value - 9 : value);
    }, 0);
  return `${number}${(10 - (sum % 10)) % 10}`;
}

// mulberry32: small, even enough for invented people, and the same everywhere.
function sequence(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function money(cents: number): string {
  return (cents / 100).toFixed(2);
}

function pad(value: number, width: number): string {
  return String(value).padStart(width, '0');
}

function words(text: string): readonly [string, ...string[]] {
  return filled(text.trim().split(/\s+/u));
}

function list(text: string): readonly [string, ...string[]] {
  return filled(text.split('|').map((entry) => entry.trim()));
}

function filled([first, ...rest]: readonly string[]): readonly [string, ...string[]] {
  if (first === undefined) throw new Error('an empty list');
  return [first, ...rest];
}
