/** A plot of the sweep report's kind in the page. */
import { drawPlot, markup, type Plot } from '@selective-dpo/sweeps/plots';
import { useEffect, useRef } from 'preact/hooks';

const ATTRIBUTES = markup`xmlns="http://www.w3.org/2000/svg" class="plot"`;

/** Every text in the drawing was escaped by the markup tag; it is parsed as XML, so no script of it ever runs. */
export function ShownPlot({ plot }: { plot: Plot }) {
  const place = useRef<HTMLElement>(null);
  const { source } = drawPlot(plot, ATTRIBUTES);
  useEffect(() => {
    const { documentElement } = new DOMParser().parseFromString(source, 'image/svg+xml');
    place.current?.replaceChildren(document.importNode(documentElement, true));
  }, [source]);
  return <figure class="card plot-card" ref={place} />;
}
