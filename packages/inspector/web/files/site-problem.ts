/** What the page could not do, in words for the person before it. */
export class SiteProblem extends Error {
  override readonly name = 'SiteProblem';

  /** @param advice what to do about it. */
  constructor(
    message: string,
    readonly advice = '',
  ) {
    super(message);
  }
}

/** Any error as a problem; what is not one of ours keeps its message. */
export function asProblem(error: unknown): SiteProblem {
  if (error instanceof SiteProblem) return error;
  return new SiteProblem(error instanceof Error ? error.message : String(error));
}
