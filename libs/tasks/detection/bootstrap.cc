#include "libs/tasks/detection/bootstrap.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/json.h"
#include "libs/base/random.h"

namespace trainyard::tasks {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// A detection of a class that finds something, or is dropped, at one threshold: its place among all
// of the class, best first. What is neither is a false positive.
struct Event {
  uint32_t place;
  bool found;
};

struct ClassSteps {
  // The image of each detection, best first, up to the last one that finds something at any
  // threshold: what follows changes no average precision.
  std::vector<uint32_t> images;
  // A list for each threshold.
  std::vector<std::vector<Event>> events;
  const std::vector<ObjectCount>& objects;
};

ClassSteps StepsOf(const JudgedSet& set, const JudgedClass& own) {
  ClassSteps steps{.objects = own.objects};
  steps.events.resize(set.ap_thresholds());
  size_t useful = 0;
  for (const JudgedDetection* one : own.ByScore()) {
    const auto place = static_cast<uint32_t>(steps.images.size());
    steps.images.push_back(one->image);
    for (size_t t = 0; t < steps.events.size(); ++t) {
      const bool found = (one->found >> t & 1) == 1, dropped = (one->dropped >> t & 1) == 1;
      if (found) useful = steps.images.size();
      if (found || dropped) steps.events[t].push_back({place, found && !dropped});
    }
  }
  steps.images.resize(useful);
  for (auto& events : steps.events) {
    std::erase_if(events, [useful](const Event& event) { return event.place >= useful; });
  }
  return steps;
}

// What a thread uses again and again.
struct Scratch {
  std::vector<uint32_t> weights;
  // Of the detections of a class, best first, those up to each one, as often as their images were
  // drawn.
  std::vector<uint32_t> counted;
  PrCurve curve;
};

void CountUp(const std::vector<uint32_t>& images, Scratch& scratch) {
  scratch.counted.resize(images.size());
  uint32_t sum = 0;
  for (size_t i = 0; i < images.size(); ++i) {
    sum += scratch.weights[images[i]];
    scratch.counted[i] = sum;
  }
}

// Only the points at which recall grows.
void WeighCurve(const ClassSteps& own, const std::vector<Event>& events, double objects,
                Scratch& scratch) {
  PrCurve& curve = scratch.curve;
  curve.recall.clear();
  curve.precision.clear();
  uint64_t found = 0, dropped = 0;
  for (const Event& event : events) {
    const uint32_t weight = scratch.weights[own.images[event.place]];
    if (weight == 0) continue;
    if (!event.found) {
      dropped += weight;
      continue;
    }
    found += weight;
    const uint64_t counted = scratch.counted[event.place] - dropped;
    curve.recall.push_back(static_cast<double>(found) / objects);
    curve.precision.push_back(static_cast<double>(found) / static_cast<double>(counted));
  }
  FillEnvelope(curve);
}

double WeighClass(const JudgedSet& set, const ClassSteps& own, Scratch& scratch) {
  if (own.objects.empty()) return set.matching == Matching::kTao ? 0 : kNan;
  uint64_t objects = 0;
  for (const ObjectCount& one : own.objects) {
    objects += uint64_t{scratch.weights[one.image]} * one.objects;
  }
  if (objects == 0) return kNan;
  CountUp(own.images, scratch);
  double sum = 0;
  for (const std::vector<Event>& events : own.events) {
    WeighCurve(own, events, static_cast<double>(objects), scratch);
    sum += ApOf(set, scratch.curve);
  }
  return sum / static_cast<double>(own.events.size());
}

// How often each image is drawn.
void Draw(uint64_t seed, int resample, std::vector<uint32_t>& weights) {
  Philox random(seed, 0, static_cast<uint64_t>(resample), RandomPurpose::kBootstrap);
  std::fill(weights.begin(), weights.end(), 0);
  for (size_t i = 0; i < weights.size(); ++i) ++weights[random.Below(weights.size())];
}

void WeighResample(const JudgedSet& set, const std::vector<ClassSteps>& all, size_t resample,
                   Scratch& scratch, ResampledAp& result) {
  double sum = 0;
  int count = 0;
  for (size_t c = 0; c < all.size(); ++c) {
    const double ap = WeighClass(set, all[c], scratch);
    result.classes[c][resample] = ap;
    if (std::isnan(ap)) continue;
    sum += ap;
    ++count;
  }
  result.mean[resample] = count == 0 ? 0 : sum / count;
}

// Runs `work` in so many threads, this one among them.
void InThreads(int threads, const std::function<void()>& work) {
  std::vector<std::thread> others;
  for (int i = 1; i < threads; ++i) others.emplace_back(work);
  work();
  for (std::thread& one : others) one.join();
}

}  // namespace

std::string JsonOf(const Interval& interval) {
  return absl::StrCat("[", JsonNumber(interval.low), ", ", JsonNumber(interval.high), "]");
}

ResampledAp ResampleAp(const JudgedSet& set, const BootstrapOptions& options) {
  ResampledAp result{.mean = std::vector(options.resamples, kNan),
                     .classes = {set.classes.size(), std::vector(options.resamples, kNan)}};
  std::vector<ClassSteps> all;
  for (const JudgedClass& own : set.classes) all.push_back(StepsOf(set, own));
  std::atomic<int> next = 0;
  InThreads(std::min(options.threads, options.resamples), [&] {
    Scratch scratch{.weights = std::vector<uint32_t>(set.images)};
    for (int r = next++; r < options.resamples; r = next++) {
      Draw(options.seed, r, scratch.weights);
      WeighResample(set, all, static_cast<size_t>(r), scratch, result);
    }
  });
  return result;
}

Interval PercentileInterval(std::vector<double> values, double level) {
  std::erase_if(values, [](double value) { return std::isnan(value); });
  if (values.empty()) return {kNan, kNan};
  std::sort(values.begin(), values.end());
  const auto quantile = [&values](double q) {
    const double at = q * static_cast<double>(values.size() - 1);
    const auto low = static_cast<size_t>(at);
    const size_t high = std::min(low + 1, values.size() - 1);
    return values[low] + (at - static_cast<double>(low)) * (values[high] - values[low]);
  };
  return {quantile((1 - level) / 2), quantile((1 + level) / 2)};
}

ApIntervals IntervalsOf(const JudgedSet& set, const BootstrapOptions& options) {
  const ResampledAp resampled = ResampleAp(set, options);
  ApIntervals intervals{.mean = PercentileInterval(resampled.mean, options.level),
                        .level = options.level,
                        .resamples = options.resamples};
  for (const std::vector<double>& one : resampled.classes) {
    intervals.classes.push_back(PercentileInterval(one, options.level));
  }
  return intervals;
}

}  // namespace trainyard::tasks
