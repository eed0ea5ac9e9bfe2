"""HTDemucs' forward in an order that needs little memory and never waits: both transforms, and the network between.

The arithmetic is that of `demucs.htdemucs.HTDemucs.forward` (Rouard et al. 2023). All tables lie where the network
lies, and no step asks what a value is. The inverse Fourier transform takes one stem at a time, and its overlap-add is
four shifted sums: with a Hann window at a hop of a quarter its squares add up to 1.5 wherever the network's own padding
leaves frames on both sides, so that no window is divided by, looked at or waited for.
"""

from __future__ import annotations

from typing import Any

import torch
from demucs.htdemucs import HTDemucs
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Hybrid", "is_hybrid"]

_SQUARES = 1.5
"""What the squares of a Hann window add up to at every sample, at a hop of a quarter of it."""
_ACROSS = 4
"""Hops in a window."""
_EPSILON = 1e-5
_NO_MAGNITUDE = 1e-8
"""Both as in demucs."""


def is_hybrid(member: nn.Module) -> bool:
    """Say whether a network is an HTDemucs whose forward `Hybrid` knows."""
    if not (isinstance(member, HTDemucs) and member.use_train_segment and (member.cac or member.wiener_iters < 0)):
        return False
    whole = member.nfft == _ACROSS * member.hop_length and len(member.encoder) == len(member.tencoder)
    return whole and not any(layer.empty for layer in member.tencoder)


class Hybrid(nn.Module):
    """An HTDemucs (all stems, or narrowed to some) as a forward from (B, 2, T) to (B, stems, 2, T)."""

    window: Tensor
    places: Tensor | None

    def __init__(self, member: Any) -> None:
        super().__init__()
        self.member = member
        self._frames = int(member.segment * member.samplerate)
        window = torch.hann_window(member.nfft, device=next(member.parameters()).device)
        self.register_buffer("window", window, persistent=False)
        places = None
        if member.freq_emb is not None:
            places = (member.freq_emb.weight.detach() * member.freq_emb_scale).t()[None, :, :, None]  # (1, C, Fr, 1)
        self.register_buffer("places", places, persistent=False)

    def forward(self, mix: Tensor) -> Tensor:
        """Return the estimates of windows of at most the training length."""
        length = mix.shape[2]
        mix = functional.pad(mix, (0, self._frames - length))
        spectrum = self._spectrum(mix)  # (B, 4, Fr, T)
        whole = self.member.cac  # else the network knows of magnitudes, and phases are those of the mix
        heard, mean, scale = _levelled(spectrum if whole else _magnitudes(spectrum))
        heard_t, mean_t, scale_t = _levelled(mix)
        made, made_t = self._network(heard, heard_t)  # (B, R * 4, Fr, T), (B, R * 2, T)
        batch, stems = len(mix), len(self.member.sources)
        made = made.view(batch, stems, *heard.shape[1:])
        out = made_t.view(batch, stems, *mix.shape[1:]) * scale_t.unsqueeze(1) + mean_t.unsqueeze(1)  # (B, R, 2, T)
        for stem in range(stems):
            part = torch.addcmul(mean, made[:, stem], scale)  # (B, 4 or 2, Fr, frames)
            out[:, stem] += self._sound(part if whole else _turned(part, spectrum))
        return out[..., :length]

    def _network(self, x: Tensor, xt: Tensor) -> tuple[Tensor, Tensor]:
        """Run encoders, transformer and decoders on levelled input."""
        member = self.member
        saved: list[tuple[Tensor, int, Tensor, int]] = []
        for place, (encode, encode_t) in enumerate(zip(member.encoder, member.tencoder, strict=True)):
            lengths = x.shape[-1], xt.shape[-1]
            xt, x = encode_t(xt), encode(x)
            if place == 0 and self.places is not None:
                x = x + self.places
            saved.append((x, lengths[0], xt, lengths[1]))
        if member.crosstransformer is not None:
            x, xt = self._crossed(x, xt)
        for decode, decode_t in zip(member.decoder, member.tdecoder, strict=True):
            skip, length, skip_t, length_t = saved.pop()
            x, xt = decode(x, skip, length)[0], decode_t(xt, skip_t, length_t)[0]
        return x, xt

    def _crossed(self, x: Tensor, xt: Tensor) -> tuple[Tensor, Tensor]:
        member: Any = self.member
        if not member.bottom_channels:
            x, xt = member.crosstransformer(x, xt)
            return x, xt
        rows = x.shape[2]
        wide = member.channel_upsampler(x.flatten(2)).unflatten(2, (rows, -1))
        x, xt = member.crosstransformer(wide, member.channel_upsampler_t(xt))
        return member.channel_downsampler(x.flatten(2)).unflatten(2, (rows, -1)), member.channel_downsampler_t(xt)

    def _spectrum(self, mix: Tensor) -> Tensor:
        """Return the spectrum (B, 4, Fr, frames) of sound (B, 2, T): real and imaginary part of each channel in turn.

        The frames are those that demucs keeps: the first begins where the network's own padding does.
        """
        hop, beyond = self.member.hop_length, -self._frames % self.member.hop_length
        padded = functional.pad(mix, (hop // 2 * 3, hop // 2 * 3 + beyond), mode="reflect")
        complex_ = torch.stft(
            padded.flatten(0, 1),
            _ACROSS * hop,
            hop,
            window=self.window,
            normalized=True,
            center=False,
            return_complex=True,
        )[:, :-1]  # the highest frequency is none of the network's
        pairs = torch.view_as_real(complex_).permute(0, 3, 1, 2)  # (B * 2, 2, Fr, frames)
        return pairs.reshape(len(mix), -1, *pairs.shape[2:])

    def _sound(self, spectrum: Tensor) -> Tensor:
        """Return the sound (B, 2, T) of one stem's spectrum (B, 4, Fr, frames): real and imaginary part in turn."""
        batch, parts, frequencies, frames = spectrum.shape
        hop = self.member.hop_length
        pairs = spectrum.view(batch, parts // 2, 2, frequencies, frames).permute(0, 1, 4, 3, 2)
        pairs = functional.pad(pairs, (0, 0, 0, 1))  # the highest frequency is none of the network's
        waves = torch.fft.irfft(torch.view_as_complex(pairs.contiguous()), norm="ortho")  # (B, 2, frames, window)
        waves *= self.window / _SQUARES
        sound = waves.new_zeros(batch, parts // 2, frames + _ACROSS - 1, hop)
        for place, part in enumerate(waves.split(hop, 3)):
            sound[:, :, place : place + frames] += part
        skipped = hop // 2 * 3  # what the network padded in front, less the two frames that it dropped
        whole: Tensor = sound.flatten(2)[..., skipped : skipped + self._frames]
        return whole


def _magnitudes(spectrum: Tensor) -> Tensor:
    """Return the magnitudes (B, 2, Fr, frames) of a spectrum (B, 4, Fr, frames)."""
    return _paired(spectrum).square().sum(2).sqrt()


def _turned(magnitudes: Tensor, spectrum: Tensor) -> Tensor:
    """Return magnitudes (B, 2, Fr, frames) with the phases of a spectrum (B, 4, Fr, frames), in its form."""
    factor = magnitudes / (_magnitudes(spectrum) + _NO_MAGNITUDE)
    return (_paired(spectrum) * factor.unsqueeze(2)).flatten(1, 2)


def _paired(spectrum: Tensor) -> Tensor:
    return spectrum.view(len(spectrum), -1, 2, *spectrum.shape[2:])  # (B, 2, 2, Fr, frames)


def _levelled(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return a sample of a batch less its mean and over its deviation, and both."""
    places = tuple(range(1, x.dim()))
    mean = x.mean(places, keepdim=True)
    around = x - mean
    deviation = (around.square().sum(places, keepdim=True) / (around[0].numel() - 1)).sqrt()
    return around.div_(_EPSILON + deviation), mean, deviation
