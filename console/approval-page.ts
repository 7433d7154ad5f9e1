/** What an approver reads: effects first, then the exact statement, then who asks and why. */
import type { Approval, ApprovalRequest, ClaimOutcome, Vote } from '../core/approval/approval.ts';
import { effectsInOrder } from '../core/approval/effects-in-order.ts';
import { deadlineMs } from '../core/approval/lifecycle.ts';
import { mayDecide, quorumNames } from '../core/approval/quorum.ts';
import { countNonAscii, visibleText } from '../core/approval/visible.ts';
import type { VerifiedIdToken } from '../core/approval/votes.ts';
import { principalName } from '../core/principal.ts';
import { resourceName } from '../core/statement/effect.ts';
import { page } from './layout.ts';
import { html, untrusted, type Markup } from './markup.ts';

/** Who looks: nobody known, or a person who has just signed in for this approval. */
export type Viewer = { readonly voter: VerifiedIdToken; readonly csrf: string };

/** The page of one approval. `notice` says what became of the last attempt to decide. */
export function approvalPage(approval: Approval, viewer: Viewer | undefined, notice?: string): string {
  const { request } = approval;
  return page(
    `${request.target}: ${[...new Set(effectsInOrder(request.effects).map(({ action }) => action))].join(', ')}`,
    html`<h1>May this run on ${untrusted(request.target)}?</h1>
      ${notice === undefined ? undefined : html`<p class="state warn">${notice}</p>`}
      <p class="state"><b>${stateSentence(approval)}</b></p>
      ${effects(approval)}${statement(approval)}${asker(approval)}${votes(approval.votes)}${decision(approval, viewer)}`,
  );
}

/** One sentence on where the approval stands. */
export function stateSentence(approval: Approval): string {
  const { state, request, claim } = approval;
  const until = deadlineMs(approval);
  switch (state) {
    case 'pending':
      return `Waiting for an answer until ${time(request.expiresAtMs)}.`;
    case 'approved':
      return `Approved. It may run once until ${until === undefined ? 'its grant ends' : time(until)}.`;
    case 'rejected':
      return 'Rejected. It will not run.';
    case 'expired':
      return approval.decidedAtMs === undefined
        ? `Expired: nobody decided until ${time(request.expiresAtMs)}. It will not run.`
        : 'Expired: it was approved, but not used in time. It will not run.';
    case 'withdrawn':
      return 'Withdrawn before it ran. It will not run.';
    case 'claimed':
      return `Used${claim === undefined ? '' : ` at ${time(claim.atMs)}: ${outcomeOf(request, claim.outcome)}`}. It will not run again.`;
  }
}

/** A command cannot be undone, and has no rows: what is known is whether it ran. */
const RAN = {
  running: 'it runs',
  committed: 'it ran',
  rolledBack: 'it did not run',
  failed: 'it did not run',
  unknown: 'it may have run',
} as const;

function outcomeOf({ protocol }: ApprovalRequest, { result, rows }: ClaimOutcome): string {
  return protocol === 'ssh' ? RAN[result] : `${result}, ${rows} rows`;
}

function effects({ request }: Approval): Markup {
  const { facts, protocol } = request;
  const unbounded =
    protocol === 'ssh'
      ? 'It has no bound that can be told: it can touch all that is below a folder, or all that matches.'
      : 'It has no real condition: it can touch every row.';
  return html`<h2>What it can cause</h2>
    <ul class="effects">
      ${effectsInOrder(request.effects).map(
        ({ action, resource, via }) =>
          html`<li>
            <b>${action}</b>
            <code>${untrusted(resourceName(request.target, resource))}</code
            >${via === undefined ? undefined : html` through ${untrusted(via)}`}
          </li>`,
      )}
    </ul>
    ${facts.unbounded ? html`<p class="warn">${unbounded}</p>` : undefined}
    ${facts.fullExport ? html`<p class="warn">It reads a whole table.</p>` : undefined}
    ${facts.opaque ? html`<p class="warn">It runs code that cannot be read from here.</p>` : undefined}
    ${protocol === 'postgres' ? rows(request) : undefined}`;
}

function rows({ facts, demand, maskedColumns }: ApprovalRequest): Markup {
  return html`<dl>
    <dt>Rows</dt>
    <dd>
      ${facts.rows < 0 ? 'unknown' : `about ${facts.rows}`}${
        demand.maxRows === undefined ? undefined : html`; rolled back if more than ${demand.maxRows}`
      }
    </dd>
    <dt>Masked in what comes back</dt>
    <dd>${maskedColumns.length === 0 ? 'nothing' : untrusted(maskedColumns.join(', '))}</dd>
  </dl>`;
}

/** What the digest does not hold, so that nobody takes it for granted. */
function bounds(): Markup {
  return html`<p>
    The answer holds for exactly this text, run by this account on this host. What a program reads from its standard input, and what is in a
    file that is sent, is no part of it.
  </p>`;
}

function statement({ request }: Approval): Markup {
  const foreign = countNonAscii(request.text + (request.executes ?? ''));
  return html`<h2>The exact statement</h2>
    <pre>${untrusted(request.text)}</pre>
    <p>
      ${Buffer.byteLength(request.text)} bytes.
      ${foreign === 0 ? undefined : html`<span class="warn">${foreign} characters are outside ASCII and may look like others.</span>`}
    </p>
    ${request.protocol === 'ssh' ? bounds() : undefined}
    ${
      request.environment === undefined
        ? undefined
        : html`<h2>With these variables</h2>
            <ul>
              ${request.environment.map((variable) => html`<li><code>${visibleText(variable, false)}</code></li>`)}
            </ul>`
    }
    ${
      request.executes === undefined
        ? undefined
        : html`<h2>It executes this prepared statement</h2>
            <pre>${untrusted(request.executes)}</pre>
            <p>${Buffer.byteLength(request.executes)} bytes.</p>`
    }
    ${
      request.parameters.length === 0
        ? undefined
        : html`<h2>Parameters</h2>
            <dl>
              ${request.parameters.map(
                (value, index) =>
                  html`<dt>$${index + 1}</dt>
                    <dd>${value === null ? html`<i>NULL</i>` : html`<code>${untrusted(value)}</code>`}</dd>`,
              )}
            </dl>`
    }`;
}

function asker({ request }: Approval): Markup {
  const { principal } = request;
  return html`<h2>Who asks, and why</h2>
    <dl>
      <dt>Agent</dt>
      <dd>${untrusted(principalName(principal))}</dd>
      <dt>Acts for</dt>
      <dd>${principal.human === undefined ? 'nobody' : untrusted(principal.human)}</dd>
      <dt>Owner</dt>
      <dd>${principal.owner === undefined ? 'none' : untrusted(principal.owner)}</dd>
      <dt>Reason given by the agent</dt>
      <dd>${request.reasonGiven === '' ? 'none' : untrusted(request.reasonGiven)}</dd>
      <dt>Rule</dt>
      <dd>${untrusted(request.policies.join(', '))}: ${untrusted(request.policyReason)}</dd>
      <dt>May be decided by</dt>
      <dd>${untrusted(quorumNames(request.demand))}</dd>
      <dt>${request.protocol === 'ssh' ? 'Account' : 'Database'}</dt>
      <dd>${untrusted(request.database)} on target ${untrusted(request.target)}</dd>
      <dt>Session</dt>
      <dd>${request.session}</dd>
      <dt>Asked</dt>
      <dd>${time(request.requestedAtMs)}</dd>
      <dt>Approval</dt>
      <dd>${request.id}, configuration ${request.bundle}, digest <code>${request.digest}</code></dd>
    </dl>`;
}

function votes(cast: readonly Vote[]): Markup | undefined {
  if (cast.length === 0) return undefined;
  return html`<h2>Answers so far</h2>
    <ul>
      ${cast.map(
        ({ person, answer, atMs, reason }) =>
          html`<li>${untrusted(person)}: <b>${answer}</b>, ${time(atMs)}${reason === '' ? undefined : html`: ${untrusted(reason)}`}</li>`,
      )}
    </ul>`;
}

function decision(approval: Approval, viewer: Viewer | undefined): Markup {
  const path = `/approvals/${approval.request.id}`;
  if (approval.state !== 'pending')
    return html`<h2>Decide</h2>
      <p>There is nothing left to decide.</p>`;
  if (viewer === undefined) {
    return html`<h2>Decide</h2>
      <p><a class="button" href="${path}/sign-in" rel="nofollow">Sign in to decide</a></p>
      <p>Signing in decides nothing. It is for this approval only, and for ten minutes.</p>`;
  }
  const { voter, csrf } = viewer;
  const again = html`<p><a href="${path}/sign-in" rel="nofollow">Sign in as somebody else</a></p>`;
  const who = html`<p>You are <b>${untrusted(voter.person)}</b> (${untrusted(voter.groups.join(', '))}).</p>`;
  const entitled = mayDecide(approval.request, voter);
  if (!entitled.may)
    return html`<h2>Decide</h2>
      ${who}
      <p class="warn">You may not decide this: ${untrusted(entitled.reason)}.</p>
      ${again}`;
  const approved = approval.votes.some(({ person }) => person === voter.person);
  return html`<h2>Decide</h2>
    ${who} ${approved ? html`<p>You have approved already; others are awaited. You may still reject.</p>` : undefined}
    <form method="post" action="${path}/decision">
      <input type="hidden" name="csrf" value="${csrf}" />
      <p>
        <label>Reason, which the agent will read<textarea name="reason" maxlength="1000"></textarea></label>
      </p>
      <p>
        ${approved ? undefined : html`<button name="answer" value="approve">Approve</button>`}<button name="answer" value="reject">
          Reject
        </button>
      </p>
    </form>
    ${again}`;
}

function time(ms: number): string {
  return new Date(ms)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, ' UTC');
}
