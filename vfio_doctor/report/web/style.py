"""How a page looks: one style sheet, for light and dark, a telephone and paper."""

STYLE = """
:root { color-scheme: light dark; --ink: #1f2328; --paper: #ffffff; --card: #f6f8fa;
  --line: #8c959f; --soft: #59636e; --error: #b3131c;
  --warning: #7a4f00; --info: #0a52b0; --good: #116329; }
@media (prefers-color-scheme: dark) {
:root { --ink: #f0f6fc; --paper: #0d1117; --card: #161b22; --line: #656c76;
  --soft: #a5aeb8; --error: #ff8b85; --warning: #e3b341; --info: #79b8ff;
  --good: #56d364; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 68rem; padding: 1rem; color: var(--ink);
  background: var(--paper); font: 1rem/1.5 system-ui, sans-serif;
  overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: 0.5rem 0; }
h2 { font-size: 1.25rem; margin: 2rem 0 0.5rem; }
h3, h4, h5 { font-size: 1rem; margin: 0.25rem 0; }
p { margin: 0.4rem 0; }
code, pre { font-family: ui-monospace, monospace; font-size: 0.9em; }
code { background: var(--card); border-radius: 3px; padding: 0 0.2em; }
.finding code, .verdict code { background: var(--paper); }
.finding, .verdict, .host { background: var(--card); border: 1px solid var(--line);
  border-left-width: 6px; border-radius: 6px; padding: 0.6rem 1rem; margin: 0.8rem 0; }
.finding.error, .verdict.error, .host.error { border-left-color: var(--error); }
.finding.warning, .verdict.warning, .host.warning {
  border-left-color: var(--warning); }
.finding.info, .verdict.info, .host.info { border-left-color: var(--info); }
.verdict.good, .host.good { border-left-color: var(--good); }
.verdict { font-size: 1.1rem; }
.severity { font-weight: bold; text-transform: uppercase; }
.severity.error { color: var(--error); }
.severity.warning { color: var(--warning); }
.severity.info { color: var(--info); }
.severity.good { color: var(--good); }
.soft { color: var(--soft); }
.cure { padding-left: 1rem; border-left: 3px solid var(--line); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin: 0.5rem 0; }
th, td { text-align: left; vertical-align: top; padding: 0.25rem 0.6rem;
  border-bottom: 1px solid var(--line); }
th, .wide td { overflow-wrap: break-word; }
td:first-child, th:first-child { padding-left: 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.1rem 1rem;
  margin: 0.5rem 0; }
dt { color: var(--soft); }
dd { margin: 0; }
summary { cursor: pointer; }
details { margin: 0.4rem 0; }
pre { overflow-x: auto; padding: 0.6rem; border: 1px solid var(--line);
  border-radius: 6px; margin: 0.4rem 0; overflow-wrap: normal; }
ins, del { text-decoration: none; }
ins { color: var(--good); }
del { color: var(--error); }
ol.chain { list-style: none; padding: 0; }
ol.chain li { border-left: 4px solid var(--line); margin: 0; padding: 0.2rem 0 0.5rem
  1rem; }
ol.chain li.good { border-left-color: var(--good); }
ol.chain li.error { border-left-color: var(--error); }
ol.chain li.warning { border-left-color: var(--warning); }
ol.chain li.unseen { border-left-style: dashed; }
figure { margin: 0.5rem 0; overflow-x: auto; }
footer { margin-top: 2rem; border-top: 1px solid var(--line); padding-top: 0.5rem; }
@media (max-width: 40rem) {
dl { grid-template-columns: 1fr; }
dt { margin-top: 0.3rem; }
}
@media print {
body { max-width: none; font-size: 10pt; }
.finding, .verdict, tr { break-inside: avoid; }
figure svg { max-width: 100%; height: auto; }
}
"""
