#pragma once

#include <cstddef>
#include <cstdint>

// What a caller may ask of one orchestrator, so that no pipeline takes its memory or its time. The
// errors of those who check name the limit.
namespace trainyard::orchestrator {

/// Bytes of a pipeline's text.
inline constexpr size_t kMaxPipelineBytes = 1 << 20;
/// Bytes of all texts of a pipeline, spec files included, after their references have their values.
inline constexpr size_t kMaxExpandedBytes = 4 << 20;
/// Bytes of one spec file, and of all parameters of a request.
inline constexpr int64_t kMaxSpecBytes = 4 << 20;
inline constexpr size_t kMaxParameterBytes = 4 << 20;
/// Scalars, lists and mappings of a pipeline's text; and values read, an alias counting each time.
inline constexpr size_t kMaxYamlNodes = 100000;
/// Lists and mappings inside each other.
inline constexpr int kMaxYamlDepth = 64;
inline constexpr size_t kMaxStages = 256;
inline constexpr size_t kMaxParameters = 1000;
/// Addresses of one service.
inline constexpr size_t kMaxAddresses = 64;
/// Bytes of a pipeline's name for errors, of a key, of an address: texts that are copied often.
inline constexpr size_t kMaxNameBytes = 4096;
/// Problems that are listed; the others are counted.
inline constexpr size_t kMaxProblems = 1000;
/// So many problems look for the nearest name; more only say what is wrong.
inline constexpr size_t kMaxHints = 100;

}  // namespace trainyard::orchestrator
