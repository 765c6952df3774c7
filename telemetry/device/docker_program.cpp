#include "telemetry/device/docker_program.hpp"

#include <cstdlib>

namespace kvtier {

std::string DockerProgram() {
  const char* own = std::getenv("KVTIER_DOCKER");  // NOLINT(concurrency-mt-unsafe): nobody sets it
  return own == nullptr || *own == '\0' ? "docker" : own;
}

}  // namespace kvtier
