#pragma once
#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "telemetry/logs/cache_dir_snapshot.hpp"
#include "telemetry/logs/cufile_log.hpp"
#include "telemetry/logs/docker_logs.hpp"
#include "telemetry/logs/log_collector.hpp"

namespace kvtier {

/// Everything that this folder collected around one leg; empty: not asked for.
struct LogsEvidence {
  std::vector<CollectedLog> logs;
  std::optional<DockerEvidence> docker;
  std::vector<CufileEvidence> cufile;  // one a place: the host, each container
  std::vector<CacheDirSnapshot> cache_dir;
};

/// The `logs` object of telemetry_report.json: names, sizes, counts, paths of the copies and
/// reasons; the texts themselves stay in the files.
nlohmann::json LogsBlock(const LogsEvidence& evidence);

/// For the message of a failed case: the last `lines` lines of each log, each headed by the path of
/// the copy (of the log itself and the reason, where there is no copy). Printable.
std::string TailsText(std::span<const CollectedLog> logs, std::size_t lines = 15);
/// The same from the logs themselves, for a stack that never came up. At most 64 KiB of each is
/// read.
std::string TailsText(std::span<const std::filesystem::path> logs, std::size_t lines = 15);

}  // namespace kvtier
