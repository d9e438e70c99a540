"""Models: BERT, its names in Hugging Face's format, its folders to and from disk."""

from __future__ import annotations

from bertdata.contents import list_contents

__getattr__, __dir__, __all__ = list_contents(
    __name__,
    {
        "bert": [
            "Bert",
            "add_to_tokens",
            "pad_vocabulary",
            "set_sinusoidal_positions",
            "set_unigram_bias",
            "strip_vocabulary",
        ],
        "bert_names": ["to_hf_config", "to_hf_name"],
        "export": [
            "CONFIG_NAME",
            "check_model",
            "check_regular",
            "copy_tokenizer",
            "export_model",
            "load_encoder",
            "load_model",
            "load_shape",
            "new_bert",
        ],
        "tensor_file": ["bytes_of", "write_tensors"],
        "tokenizer_check": ["check_tokenizer"],
        "weights": ["WEIGHTS_NAME"],
    },
)
