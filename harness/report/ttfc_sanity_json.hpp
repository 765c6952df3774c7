#pragma once
#include <vector>

#include <nlohmann/json.hpp>

#include "harness/judge/ttfc_sanity.hpp"

namespace kvtier {

/// Block ttfc_sanity_validation of the summary. Disabled and not run: enabled, status, ok null, and
/// fail_on_error; else also what was asked for, the statistics of each case, the verdict, and a
/// `warning` or `error` where there is one.
nlohmann::json TtfcSanityJson(const TtfcSanityEvidence& evidence);

/// Reads the block back, with the rows that belong to it. The verdict in it is not read: who needs
/// it judges the rows. Throws nlohmann::json::exception.
TtfcSanityEvidence TtfcSanityFromJson(const nlohmann::json& block,
                                      std::vector<RequestRecord> records);

}  // namespace kvtier
