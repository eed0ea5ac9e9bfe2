// A stereo effect that can be checked to the sample: exact gain, a real look-ahead that it reports, and three routings.
#include "DistrhoPlugin.hpp"

#include <cmath>
#include <utility>
#include <vector>

START_NAMESPACE_DISTRHO

class TestTrim : public Plugin {
    enum { kGain, kLookahead, kInvert, kMode, kCount };
    float values[kCount] = {};
    std::vector<float> line[2];
    size_t at = 0;

public:
    TestTrim() : Plugin(kCount, 0, 0) { makeLine(); }

protected:
    const char* getLabel() const override { return "TestTrim"; }
    const char* getMaker() const override { return "Stem Bridge"; }
    const char* getLicense() const override { return "GPL-3.0-or-later"; }
    uint32_t getVersion() const override { return d_version(1, 2, 3); }
    int64_t getUniqueId() const override { return d_cconst('S', 'b', 'T', 't'); }

    void initParameter(uint32_t index, Parameter& parameter) override {
        parameter.hints = kParameterIsAutomatable;
        parameter.ranges.def = parameter.ranges.min = 0.f;
        switch (index) {
        case kGain:
            parameter.name = "Gain", parameter.symbol = "gain", parameter.unit = "dB";
            parameter.ranges.min = -24.f, parameter.ranges.max = 24.f;
            break;
        case kLookahead:
            parameter.name = "Lookahead", parameter.symbol = "lookahead", parameter.unit = "samples";
            parameter.hints |= kParameterIsInteger;
            parameter.ranges.max = 2048.f;
            break;
        case kInvert:
            parameter.name = "Invert", parameter.symbol = "invert";
            parameter.hints |= kParameterIsBoolean;
            parameter.ranges.max = 1.f;
            break;
        case kMode:
            parameter.name = "Mode", parameter.symbol = "mode";
            parameter.hints |= kParameterIsInteger;
            parameter.ranges.max = 2.f;
            auto* const words = new ParameterEnumerationValue[3];
            words[0].label = "Stereo", words[0].value = 0.f;
            words[1].label = "Mono", words[1].value = 1.f;
            words[2].label = "Swap", words[2].value = 2.f;
            parameter.enumValues.count = 3;
            parameter.enumValues.restrictedMode = true;
            parameter.enumValues.values = words;
            break;
        }
    }

    float getParameterValue(uint32_t index) const override { return values[index]; }

    void setParameterValue(uint32_t index, float value) override {
        const bool longer = index == kLookahead && static_cast<int>(value) != static_cast<int>(values[index]);
        values[index] = index == kLookahead ? std::floor(value) : value;
        if (longer)
            makeLine();
    }

    void activate() override { makeLine(); }

    void run(const float** inputs, float** outputs, uint32_t frames) override {
        const float gain = std::pow(10.f, values[kGain] / 20.f) * (values[kInvert] > 0.5f ? -1.f : 1.f);
        const int mode = static_cast<int>(values[kMode] + 0.5f);
        for (uint32_t i = 0; i < frames; ++i) {
            float left = inputs[0][i], right = inputs[1][i];
            if (mode == 1)
                left = right = 0.5f * (left + right);
            if (mode == 2)
                std::swap(left, right);
            line[0][at] = left * gain;
            line[1][at] = right * gain;
            at = (at + 1) % line[0].size();
            outputs[0][i] = line[0][at];
            outputs[1][i] = line[1][at];
        }
    }

private:
    void makeLine() {
        for (auto& one : line)
            one.assign(static_cast<size_t>(values[kLookahead]) + 1, 0.f);
        at = 0;
        setLatency(static_cast<uint32_t>(values[kLookahead]));
    }
};

Plugin* createPlugin() { return new TestTrim(); }

END_NAMESPACE_DISTRHO
