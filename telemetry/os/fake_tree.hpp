#pragma once
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "harness/core/files.hpp"
#include "harness/core/temp_dir.hpp"
#include "telemetry/roots.hpp"

namespace kvtier {

/// A folder that stands for / with a made-up /proc and /sys; for tests. It is removed at the end.
class FakeTree {
 public:
  void Put(const std::string& file, std::string_view text) {
    std::filesystem::create_directories((root_ / file).parent_path());
    WriteFileAtomic(root_ / file, text);
  }
  void Link(const std::string& file, const std::string& target) {
    std::filesystem::create_directories((root_ / file).parent_path());
    std::filesystem::create_symlink(target, root_ / file);
  }
  void PutProcess(int pid, int parent, std::uint64_t read_bytes, std::uint64_t start = 777) {
    const std::string base = fmt::format("proc/{}/", pid);
    Put(base + "stat",
        fmt::format("{} (a b) c) S {} 0 0 0 0 0 11 0 12 0 300 50 0 0 0 0 4 0 {} 0 9\n", pid, parent,
                    start));
    Put(base + "io",
        fmt::format("rchar: 10\nwchar: 20\nsyscr: 1\nsyscw: 2\nread_bytes: {}\nwrite_bytes: 4096\n"
                    "cancelled_write_bytes: 0\n",
                    read_bytes));
    Put(base + "cmdline", std::string("worker\0--flag\0", 14));
  }

 protected:
  TempDir root_;
  OsRoots roots_{root_ / "proc", root_ / "sys"};
};

/// The made-up DGX Spark of golden/README.md.
inline OsRoots GoldenSpark() {
  const auto root = std::filesystem::path(KVTIER_SOURCE_DIR) / "telemetry/os/golden/spark";
  return {root / "proc", root / "sys"};
}

}  // namespace kvtier
