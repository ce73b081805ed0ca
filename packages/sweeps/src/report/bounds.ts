/** How much of a sweep a report shows, so that its size is bounded whatever it is given. */

/** Characters of a name, a key or a value. */
export const MAX_LABEL = 120;
/** Characters of a label inside a plot. */
export const MAX_PLOT_LABEL = 44;
/** Characters of what a failed run said. */
export const MAX_MESSAGE = 2000;
/** Rows of the table of configurations and of the table of runs. */
export const [MAX_CONFIGURATIONS, MAX_RUNS] = [200, 500];
/** Swept keys that have a column. */
export const MAX_COLUMNS = 16;
/** Figures with a plot and a column. */
export const MAX_METRICS = 5;
/** Swept keys that have plots. */
export const MAX_PLOTTED_KEYS = 8;
/** Lines with a colour of their own, as many as the palette tells apart. */
export const MAX_LINES = 6;
/** Grey lines behind a mean or behind the best configurations. */
export const MAX_CONTEXT_LINES = 30;
/** Values of a key on a number axis and on an axis of names. */
export const [MAX_POSITIONS, MAX_CATEGORIES] = [60, 24];
/** Single runs that have a dot in one plot. */
export const MAX_DOTS = 240;
/** Steps of a curve; more are gathered into means. */
export const MAX_STEPS = 100;
