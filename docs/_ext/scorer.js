// Answers come before all else that has the same words: guide and phrase books, then functions,
// then lectures, then what is for contributors.
var Scorer = {
  score: ([docname, title, anchor, descr, score]) => {
    if (/^(start$|guide\/|coming-from\/)/.test(docname)) return score + 20;
    if (docname.startsWith("project/")) return score - 20;
    return score;
  },
  objNameMatch: 31,
  objPartialMatch: 26,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
