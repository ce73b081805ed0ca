/** The page begins here. */
import { render } from 'preact';
import { App } from './app.js';
import { asProblem } from './files/site-problem.js';
import { openSite } from './opened-site.js';
import { Problem } from './parts/problem.js';
import { followHash } from './route.js';
import { startSettings } from './selection/page-settings.js';
import { startTheme } from './theme.js';

const page = document.getElementById('page')!;
startTheme();
followHash();
try {
  const site = await openSite();
  startSettings(site.description);
  page.replaceChildren();
  render(<App site={site} />, page);
} catch (error) {
  page.replaceChildren();
  render(
    <main class="alone">
      <h1>Nothing to inspect here</h1>
      <Problem problem={asProblem(error)} />
    </main>,
    page,
  );
}
