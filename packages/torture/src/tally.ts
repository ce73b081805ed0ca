/** What a number of faults came to: one row of the table. */

/**
 * What one fault may come to. `old` and `new`: the state that a reader finds after a disturbance, whole, without or with what was
 * published meanwhile. `refused`: a typed error. `right`: read as what it is. `mixed`: neither the old state nor the new
 * one. `wrong`: anything else, such as other content or an error without a type. `slow`: no answer by its deadline.
 */
export const OUTCOMES = ['old', 'new', 'refused', 'right', 'mixed', 'wrong', 'slow'] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** Columns that must be 0 in every row. */
export const ZEROS = ['mixed', 'wrong', 'slow', 'differing'] as const;

const MAX_FINDINGS = 5;

const isBad = (outcome: Outcome): boolean => (ZEROS as readonly string[]).includes(outcome);

/** A row as programs get it. */
export type TallyRow = Record<Outcome, number> & {
  scenario: string;
  kind: string;
  /** Faults tried: the sum over the outcomes. */
  count: number;
  /** Results of going on after faults that are, byte for byte, those of an undisturbed run; and those that are not. */
  resumed: number;
  differing: number;
  /** Why nothing was tried. */
  skipped?: string;
  /** The first few faults that came to what must not be. */
  findings: readonly string[];
};

export class Tally {
  private readonly outcomes = Object.fromEntries(OUTCOMES.map((name) => [name, 0])) as Record<
    Outcome,
    number
  >;
  private resumed = 0;
  private differing = 0;
  private readonly findings: string[] = [];

  /**
   * @param scenario its name, e.g. `kill`.
   * @param kind what is disturbed and how, e.g. `score, SIGKILL`.
   */
  constructor(
    readonly scenario: string,
    readonly kind: string,
  ) {}

  /** A row of a scenario that cannot run here. */
  static skipped(scenario: string, kind: string, reason: string): TallyRow {
    return { ...new Tally(scenario, kind).row(), skipped: reason };
  }

  /** Counts one fault. @param what describes the fault so that it can be tried again; kept for bad outcomes only. */
  count(outcome: Outcome, what: string): void {
    this.outcomes[outcome]++;
    if (isBad(outcome)) this.find(`${outcome}: ${what}`);
  }

  /** Counts a result that was come to after faults. */
  countResumed(isIdentical: boolean, what: string): void {
    if (isIdentical) this.resumed++;
    else {
      this.differing++;
      this.find(`other bytes: ${what}`);
    }
  }

  /** Faults that came to what must not be. */
  get bad(): number {
    const row = this.row();
    return ZEROS.reduce((sum, column) => sum + row[column], 0);
  }

  row(): TallyRow {
    const { scenario, kind, outcomes, resumed, differing, findings } = this;
    const count = Object.values(outcomes).reduce((sum, one) => sum + one, 0);
    return { scenario, kind, count, ...outcomes, resumed, differing, findings: [...findings] };
  }

  private find(what: string): void {
    if (this.findings.length < MAX_FINDINGS) this.findings.push(what);
  }
}

/** Whether a row is as it must be: something was tried, or it is said why not, and every zero is one. */
export function isSound(row: TallyRow): boolean {
  if (row.skipped === undefined && row.count === 0) return false;
  return ZEROS.every((column) => row[column] === 0);
}
