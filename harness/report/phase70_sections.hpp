#pragma once
#include <string>

#include "harness/judge/phase70.hpp"

/// Sections of ..._report_<ts>.md, for phase70_report.cpp alone. Each ends with an empty line or is
/// empty.
namespace kvtier {

/// Of a log-ratio: "-41.2 %".
std::string SignedPct(double log_ratio);

std::string EffectSection(const Verdict& verdict);
/// Empty unless three modes ran.
std::string ContrastSection(const Verdict& verdict);
/// Result, break-even length, hits; empty without a B2 arm.
std::string BreakEvenSection(const Verdict& verdict);
std::string GateSection(const Verdict& verdict);
/// What each visit wrote and read; empty unless a filter protocol was declared and a B2 leg ran.
std::string FilterSection(const Verdict& verdict);
std::string PairSection(const Phase70Analysis& analysis);

}  // namespace kvtier
