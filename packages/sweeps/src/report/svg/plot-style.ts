/** Style sheet of plots: colours of Okabe and Ito (jfly.uni-koeln.de/color), which colour-blind people tell apart. */

/** Colours by theme; whoever shows a plot takes them in. */
export const LIGHT = `--paper:#fff;--card:#fff;--ink:#1c2024;--soft:#5b636b;--rule:#e3e6e9;--back:#b6bdc4;--accent:#0072b2;--good:#00694e;--bad:#b03a00;--tint:#eef5fa;
--c0:#0072b2;--c1:#d55e00;--c2:#009e73;--c3:#cc79a7;--c4:#1c2024;--c5:#e69f00`;
export const DARK = `--paper:#14171a;--card:#1b1f23;--ink:#e8eaec;--soft:#a3abb3;--rule:#31373d;--back:#596067;--accent:#56b4e9;--good:#3fc79a;--bad:#ff8f57;--tint:#1d2a34;
--c0:#56b4e9;--c1:#e8722a;--c2:#1fb58a;--c3:#d98fba;--c4:#e8eaec;--c5:#f0c040`;

/** Rules for the marks of a plot. */
export const PLOT_STYLE = `svg.plot{font:12px system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;color:var(--ink)}
.plot text{fill:var(--soft)}.plot .heading{font-weight:600;font-size:13.5px;fill:var(--ink)}.plot .name{text-anchor:middle;fill:var(--ink)}
.plot .note{font-size:11px}.plot .tick path{stroke:var(--rule);fill:none}.plot .tick text{font-variant-numeric:tabular-nums}
.plot .tick.y text{text-anchor:end}.plot .tick.x text{text-anchor:middle}.plot .axis{stroke:var(--soft);fill:none}
.plot .line{fill:none;stroke:currentColor;stroke-width:1.8;stroke-linejoin:round;stroke-linecap:round}
.plot .line.context{stroke-width:1}.plot .band{fill:currentColor;opacity:.16}
.plot .interval{fill:none;stroke:currentColor;stroke-width:1.4}.plot .dot{fill:currentColor;opacity:.45}
.plot .point path{fill:currentColor;stroke:var(--card);stroke-width:1.2}.plot .near{fill:transparent}
.plot .context{color:var(--back)}.plot .mean{color:var(--ink)}
.plot .s0{color:var(--c0)}.plot .s1{color:var(--c1)}.plot .s2{color:var(--c2)}.plot .s3{color:var(--c3)}.plot .s4{color:var(--c4)}.plot .s5{color:var(--c5)}`;
