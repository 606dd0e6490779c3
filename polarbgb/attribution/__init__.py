"""Attribution: what moved the background, by SHAP values, groups of features and slopes."""
