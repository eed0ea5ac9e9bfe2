// An instrument that can be checked to the sample: every held note is a constant, velocity / 127 * key / 128 * level,
// from the frame of its note-on to that of its note-off, or beyond it by an exponential release; all of it comes late
// by a latency that it reports. Told to misbehave, it does so on its highest keys only.
#include "DistrhoPlugin.hpp"

#include <cmath>
#include <limits>
#include <vector>

START_NAMESPACE_DISTRHO

class TestSynth : public Plugin {
    // DPF takes the first parameter of an instrument for one of its MIDI controllers: nothing can set it.
    enum { kUnused, kLevel, kRelease, kLookahead, kFault, kCount };
    static constexpr int kTrouble = 120;
    float values[kCount] = {0.f, 0.5f, 0.f, 0.f, 0.f};
    float held[16][128] = {};
    double ringing = 0.0;
    bool isInTrouble = false;
    std::vector<float> line;
    size_t at = 0;

public:
    TestSynth() : Plugin(kCount, 0, 0) {}

protected:
    const char* getLabel() const override { return "TestSynth"; }
    const char* getMaker() const override { return "Stem Bridge"; }
    const char* getLicense() const override { return "GPL-3.0-or-later"; }
    uint32_t getVersion() const override { return d_version(1, 0, 0); }
    int64_t getUniqueId() const override { return d_cconst('S', 'b', 'T', 's'); }

    void initParameter(uint32_t index, Parameter& parameter) override {
        static const char* const names[kCount] = {"Unused", "Level", "Release", "Lookahead", "Fault"};
        static const char* const symbols[kCount] = {"unused", "level", "release", "lookahead", "fault"};
        static const float most[kCount] = {1.f, 1.f, 10.f, 2048.f, 2.f};
        parameter.hints = kParameterIsAutomatable;
        parameter.name = names[index], parameter.symbol = symbols[index];
        parameter.ranges.def = values[index], parameter.ranges.min = 0.f, parameter.ranges.max = most[index];
        if (index == kRelease)
            parameter.unit = "s";
        if (index == kLookahead || index == kFault)
            parameter.hints |= kParameterIsInteger;
    }

    float getParameterValue(uint32_t index) const override { return values[index]; }
    void setParameterValue(uint32_t index, float value) override {
        values[index] = value;
        if (index == kLookahead) {
            line.assign(static_cast<size_t>(value), 0.f), at = 0;
            setLatency(static_cast<uint32_t>(value));
        }
    }

    void activate() override {
        for (auto& channel : held)
            for (float& key : channel)
                key = 0.f;
        ringing = 0.0, at = 0;
        line.assign(line.size(), 0.f);
    }

    void take(const MidiEvent& event) {
        const uint8_t kind = event.data[0] & 0xf0, channel = event.data[0] & 0x0f, key = event.data[1] & 0x7f;
        const uint8_t velocity = event.data[2];
        if (kind == 0x90 && velocity > 0)
            held[channel][key] = velocity / 127.f * key / 128.f;
        else if (kind == 0x80 || kind == 0x90)
            held[channel][key] = 0.f;
        isInTrouble = kind == 0x90 && velocity > 0 && key >= kTrouble;
        if (isInTrouble && values[kFault] == 1.f)
            *reinterpret_cast<volatile int*>(static_cast<intptr_t>(key > 0 ? 8 : 0)) = 1;
    }

    void run(const float**, float** outputs, uint32_t frames, const MidiEvent* events, uint32_t count) override {
        uint32_t next = 0;
        const double decay = values[kRelease] > 0.f ? std::exp(-1.0 / (values[kRelease] * getSampleRate())) : 0.0;
        for (uint32_t i = 0; i < frames; ++i) {
            while (next < count && events[next].frame <= i)
                take(events[next++]);
            double sum = 0.0;
            for (const auto& channel : held)
                for (const float key : channel)
                    sum += key;
            ringing = std::max(sum, ringing * decay);
            float now = static_cast<float>(ringing) * values[kLevel];
            if (values[kFault] == 2.f && isInTrouble)
                now = std::numeric_limits<float>::quiet_NaN();
            if (!line.empty()) {
                std::swap(now, line[at]);
                at = (at + 1) % line.size();
            }
            outputs[0][i] = outputs[1][i] = now;
        }
    }
};

Plugin* createPlugin() { return new TestSynth(); }

END_NAMESPACE_DISTRHO
