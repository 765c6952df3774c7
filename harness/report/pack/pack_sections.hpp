#pragma once
#include <string>
#include <vector>

#include "harness/report/pack/document.hpp"
#include "harness/report/pack/evidence_list.hpp"
#include "harness/report/pack/pack_input.hpp"

/// The sections of a pack, each a pure function of the input; report.html and the Markdown
/// documents are put together from them.
namespace kvtier {

/// One reason code of the verdict for people.
struct ReasonEntry {
  std::string code;
  Severity severity = Severity::kNote;  // the worst of its findings
  std::string meaning, remedy;
  std::vector<std::string> details;  // "run phase: detail"
};
/// Worst first, then in the order of the verdict. Every code of the verdict is here.
std::vector<ReasonEntry> ReasonEntries(const Verdict& verdict);

/// What a word and a grade mean, one sentence each.
std::string WordMeaning(const Verdict& verdict);
std::string GradeMeaning(Grade grade);

Section ResultSection(const PackInput& input);  // arms side by side
Section EffectSection(const PackInput& input);  // estimates, intervals, secondary metrics
Section PairsSection(const PackInput& input);   // legs and pairs
Section EvidenceSection(const std::vector<ExpectedEvidence>& evidence);
Section HitsSection(const PackInput& input);   // expected and actual by tier
Section BytesSection(const PackInput& input);  // engine and system by phase
Section BreakEvenSection(const PackInput& input);
Section NoiseSection(const PackInput& input);
Section WashoutSection(const PackInput& input);
Section OrderSection(const PackInput& input);
Section ReasonsSection(const PackInput& input);
Section MethodSection(const PackInput& input);  // how it was measured and judged
Section ReproductionSection(const PackInput& input);
/// `sources`: "name  sha256" of the artifacts that the pack was made from.
Section ProvenanceSection(const PackInput& input, const std::vector<std::string>& sources);

/// The shell lines that run the same experiment again, from the settings that were not defaults.
std::string ReproductionCommands(const PackInput& input);

}  // namespace kvtier
