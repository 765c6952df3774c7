#pragma once
#include <string>

#include "harness/judge/evidence.hpp"

/// The sections of report.md about the machine, its SSD and who did the I/O.
namespace kvtier {

/// "Machine during the run": one row a phase. What could not be read is NA, each reason once below.
std::string MachineSection(const LegEvidence& leg);
/// "Storage"; empty when the disk was not described.
std::string StorageSection(const LegEvidence& leg);
/// "I/O attribution"; empty when there is no report.
std::string IoAttributionSection(const LegEvidence& leg);

}  // namespace kvtier
