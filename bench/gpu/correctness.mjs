/** Log-probs and losses of a small trained model on an engine, held against the engine wasm and against PyTorch. */

/** Largest difference allowed, nats. */
const TOLERANCE = 1e-4;

const largestDifference = (a, b) =>
  a.length === b.length ? Math.max(...a.map((value, i) => Math.abs(value - b[i]))) : Infinity;

/** NaN compares as a failure. */
function comparison(what, engine, against, a, b) {
  const largest = largestDifference(a.flat(), b.flat());
  return { what, engine, against, largest, tolerance: TOLERANCE, ok: largest <= TOLERANCE };
}

/**
 * @param runs what engine-run.mjs printed, by engine, `wasm` among them.
 * @param torch what torch_step.py printed; undefined where it did not run.
 * @param reference log-probs of another model, which must differ: the control.
 */
export function compareRuns(runs, torch, reference) {
  const { wasm } = runs;
  const checks = [];
  for (const [name, run] of Object.entries(runs)) {
    const one = run.training.find(({ keep }) => keep === 1);
    if (name !== 'wasm') {
      checks.push(comparison('log-probs', name, 'wasm', run.scoring.values, wasm.scoring.values));
      run.training.forEach(({ keep, losses }, i) =>
        checks.push(comparison(`losses, keep ${keep}`, name, 'wasm', losses, wasm.training[i].losses)),
      );
    }
    if (torch?.runs) {
      const [{ scoring, losses }] = torch.runs;
      checks.push(comparison('log-probs', name, 'torch', run.scoring.values, scoring.values));
      checks.push(comparison('losses, keep 1', name, 'torch', one.losses, losses));
    }
    const { before, after } = run.tensors;
    checks.push({
      what: 'tensors left behind',
      engine: name,
      largest: after - before,
      tolerance: 0,
      ok: after === before,
    });
    const control = comparison(
      'control: another model differs',
      name,
      'reference',
      run.scoring.values,
      reference,
    );
    checks.push({ ...control, ok: !control.ok });
    const others = comparison('control: another loss differs', name, '', run.training[0].losses, one.losses);
    checks.push({ ...others, ok: !others.ok });
  }
  return checks;
}
