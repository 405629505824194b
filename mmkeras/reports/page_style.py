"""The page's style sheet: dark on light, for a wide screen, a telephone and paper."""

CSS = """
:root {
  --ink: #1f2328; --quiet: #57606a; --line: #d0d7de; --ground: #f6f8fa; --link: #0550ae;
  --right: #1a7f37; --wrong: #b3261e;
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; -webkit-text-size-adjust: 100%; }
body {
  margin: 0; color: var(--ink); background: #fff; line-height: 1.55;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  overflow-wrap: break-word;
}
a { color: var(--link); }
h1, h2, h4 { line-height: 1.25; text-wrap: balance; }
h1 { font-size: 1.9rem; margin: 0; }
h2 { font-size: 1.35rem; margin: 0 0 .6rem; }
.layout { max-width: 80rem; margin: 0 auto; padding: 1.25rem 1rem; }
.subtitle { color: var(--quiet); margin: .3rem 0 1.2rem; }

.verdict {
  border: 1px solid #b6d4fe; border-inline-start: .4rem solid var(--link); background: #f0f6ff;
  border-radius: .4rem; padding: .9rem 1.2rem;
}
.verdict h2 {
  font-size: .85rem; text-transform: uppercase; letter-spacing: .06em; margin: 0 0 .4rem;
  color: var(--link);
}
.verdict ul { margin: 0; padding-inline-start: 1.1rem; font-size: 1.08rem; }
.verdict li + li { margin-top: .35rem; }
.facts { display: flex; flex-wrap: wrap; gap: .6rem 2rem; margin: 1.1rem 0 0; }
.facts dt { color: var(--quiet); font-size: .85rem; }
.facts dd { margin: 0; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }

nav { margin: 1.5rem 0; border-block: 1px solid var(--line); padding: .8rem 0; }
nav h2 {
  font-size: .85rem; text-transform: uppercase; letter-spacing: .06em; color: var(--quiet);
  margin: 0 0 .3rem;
}
nav ol { margin: 0; padding-inline-start: 1.5rem; }
nav li { padding: .2rem 0; }
nav a { text-decoration: none; }
nav a:hover { text-decoration: underline; }

section { margin-bottom: 3rem; scroll-margin-top: 1rem; }
section > p { max-width: 46rem; }
section > h2 { border-bottom: 1px solid var(--line); padding-bottom: .35rem; }
.conclusion { font-weight: 650; font-size: 1.08rem; margin: .8rem 0; }
figure { margin: 1.6rem 0; }
figcaption { color: var(--quiet); font-size: .95rem; max-width: 46rem; }
.table figcaption, .cards > figcaption { margin-bottom: .6rem; }
.picture figcaption { margin-top: .5rem; }
.picture img { display: block; max-width: 100%; height: auto; }
.scroll { overflow-x: auto; max-width: 100%; }
.scroll:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }

table { border-collapse: separate; border-spacing: 0; font-size: .92rem; line-height: 1.4; }
th, td {
  padding: .35rem .7rem; text-align: left; vertical-align: top; max-width: 22rem;
  border-bottom: 1px solid var(--line);
}
thead th { vertical-align: bottom; background: var(--ground); border-top: 1px solid var(--line); }
tbody th { font-weight: 500; }
tbody tr:hover > * { background: var(--ground); }
th:first-child { position: sticky; left: 0; background: #fff; }
thead th:first-child { background: var(--ground); }
.number { text-align: right; font-variant-numeric: tabular-nums; }
td.number { white-space: nowrap; }
td.long { min-width: 14rem; }
.many { font-size: .85rem; }
.many th, .many td { padding: .3rem .45rem; }
details { margin-top: .5rem; }
summary { cursor: pointer; color: var(--link); padding: .3rem 0; }

.grid {
  display: grid; gap: 1rem; align-items: start;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr));
}
.card {
  border: 1px solid var(--line); border-top: .25rem solid var(--line); border-radius: .4rem;
  padding: .8rem .9rem; min-width: 0; overflow-wrap: anywhere;
}
.card.right { border-top-color: var(--right); }
.card.wrong { border-top-color: var(--wrong); }
.card h4 { margin: 0 0 .6rem; font-size: 1rem; font-weight: 600; }
.mark { display: block; font-size: .85rem; }
.right .mark { color: var(--right); }
.wrong .mark { color: var(--wrong); }
.shots { display: flex; flex-wrap: wrap; gap: .5rem; margin-bottom: .6rem; }
.shots div {
  flex: 1 1 5rem; min-width: 5rem; max-width: 9rem; font-size: .85rem; color: var(--quiet);
}
.shots img {
  display: block; width: 100%; height: auto; max-height: 15rem; object-fit: contain;
  object-position: left top;
}
.shots img.small { image-rendering: pixelated; }
audio { display: block; width: 100%; margin-bottom: .6rem; }
.card p { margin: .5rem 0 0; }
.card .note { color: var(--quiet); font-size: .9rem; }
.text span, .legend span { padding: .05em .15em; border-radius: .2em; }
.for { border-bottom: 2px solid; }
.against { border-bottom: 2px dashed; }
.legend { font-size: .9rem; margin: 0 0 .8rem; }
.card dl { margin: .6rem 0 0; font-size: .9rem; }
.card dl div {
  display: flex; justify-content: space-between; gap: 1rem; border-top: 1px solid var(--line);
  padding: .2rem 0;
}
.card dt { color: var(--quiet); }
.card dd { margin: 0; max-width: 70%; text-align: end; font-variant-numeric: tabular-nums; }
.card dt, .card dd { overflow-wrap: break-word; }
.took, footer { color: var(--quiet); font-size: .85rem; }
footer { border-top: 1px solid var(--line); padding-top: .8rem; }

@media screen and (min-width: 62rem) {
  .layout {
    display: grid; grid-template-columns: 14rem minmax(0, 1fr); column-gap: 2.5rem;
    grid-template-rows: auto 1fr auto; padding: 2rem 1.5rem;
  }
  header, main, footer { grid-column: 2; }
  header { margin-bottom: 2.5rem; }
  nav {
    grid-column: 1; grid-row: 1 / span 3; align-self: start; position: sticky; top: 1.5rem;
    max-height: calc(100vh - 3rem); overflow-y: auto; margin: 0; border: 0; padding: 0;
    font-size: .92rem;
  }
}
@media screen and (max-width: 40rem) {
  table { width: max-content; }
  thead th { max-width: 7rem; }
  th:first-child { max-width: 9rem; overflow-wrap: anywhere; }
  td { max-width: 16rem; }
  .wide figcaption::before { content: "↔ Scrolls sideways. "; }
}
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
@media print {
  body { font-size: 10pt; }
  .layout { max-width: none; padding: 0; }
  nav, audio, details { display: none; }
  h2, figcaption, .conclusion { break-after: avoid; }
  header { margin-bottom: 2rem; }
  .picture, .card, .conclusion, tr { break-inside: avoid; }
  .scroll { overflow: visible; }
  .picture img { min-width: 0 !important; }
  table { font-size: 8pt; }
  td.long { min-width: 0; }
  th, td { padding: .2rem .35rem; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""
