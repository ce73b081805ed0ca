/** Where data of a shape that nobody expected ends in words, not in an empty page. */
import { Component, type ComponentChildren } from 'preact';
import { SiteProblem } from '../files/site-problem.js';
import { Problem } from './problem.js';

interface BoundaryProps {
  /** What is shown; another subject gets another try. */
  subject: string;
  children: ComponentChildren;
}

export class Boundary extends Component<BoundaryProps, { failed?: { subject: string; message: string } }> {
  override componentDidCatch(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    this.setState({ failed: { subject: this.props.subject, message } });
  }

  override render() {
    const { failed } = this.state;
    if (failed === undefined || failed.subject !== this.props.subject) return this.props.children;
    const advice = 'Check the cache with sdpo cache verify, then make the site again.';
    return (
      <Problem
        problem={new SiteProblem(`the data of this view is not what it should be: ${failed.message}`, advice)}
      />
    );
  }
}
