"""Attribution of the background to features: SHAP values, groups of features and slopes."""
