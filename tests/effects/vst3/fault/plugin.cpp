// A stereo effect that passes sound through until it misbehaves: while it is loaded, by the name of its file (one
// program, copied under many names), or while it plays, by its parameters.
#include "DistrhoPlugin.hpp"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <limits>
#include <thread>
#include <unistd.h>

START_NAMESPACE_DISTRHO

static void crash() {
    // An address that the compiler cannot see through: it may leave out a store to one that it knows to be wrong.
    *reinterpret_cast<volatile int*>(static_cast<intptr_t>(getppid() > 0 ? 8 : 0)) = 1;
}

static bool isCalled(const char* name) {
    Dl_info info;
    return dladdr(reinterpret_cast<void*>(&isCalled), &info) != 0 && std::strstr(info.dli_fname, name) != nullptr;
}

class TestFault : public Plugin {
    enum { kFault, kAfter, kCount };
    enum { kNone, kCrash, kExit, kHang, kNan, kSilence, kLoud, kPrint, kLeak, kChild, kGarbage, kDenormals, kFaults };
    float values[kCount] = {};
    double played = 0.0;

public:
    TestFault() : Plugin(kCount, 0, 0) {
        if (isCalled("CrashOnLoad"))
            crash();
        if (isCalled("ExitOnLoad"))
            std::exit(0);
        if (isCalled("HangOnLoad"))
            for (;;)
                sleep(1);
        if (isCalled("SlowToLoad") || isCalled("LateToLoad")) {
            static bool slept = false;
            if (!slept)
                sleep(isCalled("SlowToLoad") ? 5 : 2);
            slept = true;
        }
        if (isCalled("PrintOnLoad"))
            for (int i = 0; i < 40000; ++i)
                std::puts("{\"is\": \"done\"} again and again and again");
        if (isCalled("ThreadOnLoad"))
            std::thread([] {
                for (;;)
                    sleep(1);
            }).detach();
        if (isCalled("OrphanOnLoad") && fork() == 0) {
            // It leaves its group, so that nobody finds it, and keeps all pipes open for a while.
            setsid();
            sleep(1);
            _exit(0);
        }
        if (isCalled("PaintOnLoad")) {
            std::fputs("\x1b[2J\x1b]0;owned\x07 painted\n", stderr);
            crash();
        }
    }

    ~TestFault() override {
        if (isCalled("HangOnUnload"))
            for (;;)
                sleep(1);
    }

protected:
    const char* getLabel() const override { return "TestFault"; }
    const char* getMaker() const override { return "Stem Bridge"; }
    const char* getLicense() const override { return "GPL-3.0-or-later"; }
    uint32_t getVersion() const override { return d_version(1, 0, 0); }
    int64_t getUniqueId() const override { return d_cconst('S', 'b', 'T', 'f'); }

    void initParameter(uint32_t index, Parameter& parameter) override {
        parameter.hints = kParameterIsAutomatable;
        parameter.ranges.def = parameter.ranges.min = 0.f;
        if (index == kAfter) {
            parameter.name = "After", parameter.symbol = "after", parameter.unit = "s";
            parameter.ranges.max = 10.f;
            return;
        }
        static const char* const names[kFaults] = {"None", "Crash", "Exit",  "Hang",  "NaN",    "Silence",
                                                   "Loud", "Print", "Leak",  "Child", "Garbage", "Denormals"};
        parameter.name = "Fault", parameter.symbol = "fault";
        parameter.hints |= kParameterIsInteger;
        parameter.ranges.max = kFaults - 1;
        auto* const words = new ParameterEnumerationValue[kFaults];
        for (int i = 0; i < kFaults; ++i)
            words[i].label = names[i], words[i].value = static_cast<float>(i);
        parameter.enumValues.count = kFaults;
        parameter.enumValues.restrictedMode = true;
        parameter.enumValues.values = words;
    }

    float getParameterValue(uint32_t index) const override { return values[index]; }
    void setParameterValue(uint32_t index, float value) override { values[index] = value; }
    void activate() override { played = 0.0; }

    void run(const float** inputs, float** outputs, uint32_t frames) override {
        for (int channel = 0; channel < 2; ++channel)
            if (outputs[channel] != inputs[channel])
                std::memcpy(outputs[channel], inputs[channel], frames * sizeof(float));
        if (played >= values[kAfter] * getSampleRate())
            misbehave(outputs, frames);
        played += frames;
    }

private:
    void fill(float** outputs, uint32_t frames, float value) {
        for (int channel = 0; channel < 2; ++channel)
            for (uint32_t i = 0; i < frames; ++i)
                outputs[channel][i] = value;
    }

    void misbehave(float** outputs, uint32_t frames) {
        switch (static_cast<int>(values[kFault] + 0.5f)) {
        case kCrash:
            std::fputs("about to crash\n", stderr);
            crash();
            break;
        case kExit:
            std::exit(0);
        case kHang:
            for (;;)
                sleep(1);
        case kNan:
            fill(outputs, frames, std::numeric_limits<float>::quiet_NaN());
            break;
        case kSilence:
            fill(outputs, frames, 0.f);
            break;
        case kDenormals:
            fill(outputs, frames, 1e-40f);
            break;
        case kLoud:
            fill(outputs, frames, 2000.f);
            break;
        case kPrint:
            for (int i = 0; i < 20000; ++i)
                std::puts("{\"is\": \"done\", \"frames\": 0} and much more, again and again and again and again");
            std::fflush(stdout);
            break;
        case kLeak:
            for (;;) {
                const size_t size = 64 << 20;
                std::memset(std::malloc(size), 1, size);
                usleep(20000);
            }
        case kChild: {
            // One child for its whole life: it inherits everything, and sleeps.
            static bool born = false;
            if (!born && fork() == 0)
                for (;;)
                    sleep(1);
            born = true;
            if (FILE* const file = std::fopen("litter.txt", "w"))
                std::fclose(file);
            break;
        }
        case kGarbage:
            for (int descriptor = 3; descriptor < 64; ++descriptor)
                if (write(descriptor, "{\"is\": \"done\", \"frames\": 7}\n", 28) < 0)
                    continue;
            break;
        }
    }
};

Plugin* createPlugin() { return new TestFault(); }

END_NAMESPACE_DISTRHO
